/** What people read: Chinese names of what the API says in English, and errors in plain words. */

export const ROLES = { agent: "坐席", customer: "客户", unsure: "未定" };
export const LEVELS = { 1: "严重", 2: "中等", 3: "轻微" };
export const TONES = { 1: "serious", 2: "medium", 3: "light" };
export const MOODS = { positive: "满意", calm: "平和", negative: "不满", angry: "生气" };
export const STATES = {
  running: "通话中", ending: "正在结束", reported: "已结束", failed: "转事后质检", gone: "已结束",
};
export const DIRECTIONS = { inbound: "呼入", outbound: "呼出" };
export const HINTS = {
  risk: "风险", wording: "措辞", empathy: "安抚", unanswered: "待答复", waiting: "等待", repeat: "重复询问",
  checklist: "话术", knowledge: "知识", pace: "节奏", praise: "鼓励", other: "提示",
};
export const ITEMS = { open: "待说", said: "已说", missed: "遗漏", not_needed: "暂不需要" };

const two = (number) => String(number).padStart(2, "0");

/** Milliseconds as 02:05 or 1:02:05. */
export const clock = (ms) => {
  const seconds = Math.max(0, Math.floor(ms / 1000)), hours = Math.floor(seconds / 3600);
  return `${hours ? `${hours}:` : ""}${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
};

/** A score without needless decimals. */
export const points = (score) => (Math.round(score * 10) / 10).toString();

const AWAY = "连不上服务。请检查网络；服务恢复后会自动接上。";
const WORDS = {
  not_signed_in: "没有登录，或登录已过期。",
  access_denied: "当前账号没有这项权限。",
  not_found: "没有找到。",
  conflict: "这个通话编号已经用过，请换一个。",
  too_many_requests: "请求太频繁，请稍候再试。",
  live_unavailable: "服务现在接不了新的通话，请稍后再试。",
  live_protocol: "服务不接受页面发出的数据，请刷新页面再试。",
  invalid_request: "通话信息有误（例如业务线不存在），请检查后再试。",
  pack: "业务线的规则包有误，请联系管理员。",
  storage_full: "服务器磁盘空间不足，录音存不下了，请联系管理员。",
  storage_unavailable: "服务的数据库暂时不可用，请稍后再试。",
  live_interrupted: "实时质检中断：通话仍在录音，结束后会补做质检。",
  taken_over: "这通电话已由另一个连接接手。",
  live_empty: "没有收到声音，这通电话不会有报告。",
  unexpected: "服务出错，请联系管理员。",
};

/** Plain words for a problem of the API or an error event; `away` is a lost connection. */
export const explained = (code) => (code === "away" ? AWAY : WORDS[code] ?? `服务没有接受（${code}），请联系管理员。`);
