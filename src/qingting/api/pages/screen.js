/** Small helps for putting data on the screen. Data is only ever set as text, never as markup. */

export const $ = (id) => document.getElementById(id);

/** Make an element with a class and a text. */
export const make = (tag, name = "", text = "") => {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text) node.textContent = text;
  return node;
};

/** Set a text only where it changed: the browser then has nothing to draw anew. */
export const say = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

/** Set or take away an attribute, only where it changed. */
export const mark = (node, name, value) => {
  if (value === null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
};

/** Call `draw` once before the next picture, however often it is asked for; a hidden page draws once a second. */
export const together = (draw) => {
  let due = false;
  const run = () => {
    if (!due) return;
    due = false;
    draw();
  };
  return () => {
    if (due) return;
    due = true;
    if (document.hidden) setTimeout(run, 1000);
    else {
      requestAnimationFrame(run);
      // The page may be hidden before the picture comes.
      setTimeout(run, 1000);
    }
  };
};

/** Move a node before another (null: to the end) without losing what has the keyboard's focus. */
export const place = (parent, node, next) => {
  if (node.parentNode === parent && node.nextElementSibling === next) return;
  if (parent.moveBefore && node.parentNode === parent) {
    parent.moveBefore(node, next);
    return;
  }
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  parent.insertBefore(node, next);
  focused?.focus({ preventScroll: true });
};

export const stillPlease = matchMedia("(prefers-reduced-motion: reduce)");
