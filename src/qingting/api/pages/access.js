/**
 * Who looks: an API key from the address's fragment (`#key=qt_…`), or the cookie of a session.
 *
 * A key stays in memory and is taken out of the address at once: screens are seen by many, and histories last.
 */
import { $, say } from "./screen.js";
import { explained } from "./words.js";

export const API = new URL("../api/v1/", document.baseURI);

let key = "";
let asking = null;

/** The API could not do what was asked; `code` names the problem, `status` 0 is a lost connection. */
export class Problem extends Error {
  constructor(status, code, wait = 0) {
    super(code);
    this.status = status;
    this.code = code;
    this.wait = wait;
  }
}

/** Take a key from the address's fragment; whether there was one. */
const takeKey = () => {
  const found = /^#(?:.*&)?key=([\x21-\x25\x27-\x7e]+)/.exec(location.hash);
  if (!location.hash.includes("key=")) return false;
  // A key that no header can carry is as good as a wrong one.
  key = found ? found[1] : "-";
  history.replaceState(null, "", location.pathname + location.search);
  return true;
};
takeKey();
addEventListener("hashchange", () => takeKey() && document.dispatchEvent(new Event("key")));

export const theKey = () => key;

/** Ask the API; returns the answer, raises Problem. */
export const ask = async (path, { method = "GET", body, headers = {}, signal } = {}) => {
  const sent = { ...headers };
  if (key) sent.Authorization = `Bearer ${key}`;
  // What changes something and relies on the cookie must show that this very page sent it.
  if (method !== "GET") sent["X-Qingting-Request"] = "1";
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(new URL(path, API), {
      method, headers: sent, signal, cache: "no-store", credentials: key ? "omit" : "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "away");
  }
  if (answer.ok) return answer;
  throw await problemOf(answer);
};

const problemOf = async (answer) => {
  const wait = Number(answer.headers.get("Retry-After")) || 0;
  let code = answer.status >= 502 ? "away" : "unexpected";
  try {
    code = String((await answer.json()).type).replace(/^urn:qingting:problem:/, "");
  } catch {
    // A proxy's own page, not the service's answer.
  }
  return new Problem(answer.status, code, wait);
};

/** Show the form until somebody has signed in; whoever asks meanwhile waits for the same. */
export const signIn = (why) => {
  asking ??= new Promise((resolve) => {
    const form = $("sign-in");
    say($("sign-in-why"), why);
    say($("sign-in-error"), "");
    document.body.classList.add("signed-out");
    form.hidden = false;
    form.elements.name.focus();
    const done = () => {
      form.hidden = true;
      document.body.classList.remove("signed-out");
      form.reset();
      removeEventListener("focus", retry);
      document.removeEventListener("key", done);
      asking = null;
      showWho();
      resolve();
    };
    // Signing in through the identity provider may happen in another window.
    const retry = () => left && ask("auth/me").then(done, () => {});
    let left = false;
    form.onsubmit = (event) => {
      event.preventDefault();
      submit(form, done);
    };
    $("oidc").onclick = () => {
      key = "";
      left = true;
    };
    addEventListener("focus", retry);
    document.addEventListener("key", done);
  });
  return asking;
};

const submit = async (form, done) => {
  const { name, password } = form.elements, button = form.querySelector("button");
  key = "";
  button.disabled = true;
  say($("sign-in-error"), "");
  try {
    await ask("auth/sign-in", { method: "POST", body: { name: name.value.trim(), password: password.value } });
    done();
  } catch (error) {
    password.value = "";
    say($("sign-in-error"), refusal(error));
    password.focus();
  } finally {
    button.disabled = false;
  }
};

const refusal = (error) => {
  if (error.status === 401) return "用户名或密码不对；连续输错 10 次会锁定 15 分钟。";
  if (error.status === 429) return `尝试太频繁，请 ${error.wait || 60} 秒后再试。`;
  return explained(error.code);
};

/** After 401 or 403: let somebody sign in who may. */
export const otherPerson = (error) => {
  if (error.status === 403) return signIn("当前账号或密钥不能查看通话，请换一个账号登录。");
  return signIn(key ? "密钥无效、已过期或已停用。可以改用账号登录。" : "请登录后查看。");
};

const showWho = () => {
  $("sign-out").hidden = Boolean(key);
};

/** Prepare what the form offers; call once. */
export const prepareSignIn = () => {
  const offered = document.querySelector('meta[name="oidc"]').content === "yes";
  const oidc = $("oidc");
  if (offered) {
    const start = new URL("auth/oidc/start", API);
    start.searchParams.set("next", location.pathname + location.search);
    oidc.href = start.href;
    // Identity providers refuse to be shown in a frame.
    if (window.top !== window) oidc.target = "_blank";
    oidc.hidden = false;
  }
  showWho();
  $("sign-out").addEventListener("click", async () => {
    await ask("auth/sign-out", { method: "POST" }).catch(() => {});
    location.reload();
  });
};

/** Let a link open a call's report: with a key, which links cannot carry, it is fetched and saved instead. */
export const leadToReport = (link, callId) => {
  const path = `calls/${encodeURIComponent(callId)}/report.html`;
  link.hidden = false;
  if (!key) {
    link.href = new URL(path, API).href;
    link.target = "_blank";
    link.rel = "noopener";
    say(link, "查看报告");
    return;
  }
  link.href = "#";
  say(link, "下载报告");
  link.onclick = async (event) => {
    event.preventDefault();
    try {
      save(await (await ask(path)).blob(), `${callId}.html`);
    } catch (error) {
      say(link, `报告打不开：${explained(error.code)}`);
    }
  };
};

const save = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};
