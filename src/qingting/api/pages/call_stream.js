/** The events of one running call, and when it is over. */
import { Stream } from "./stream.js";

const LAST = new Set(["report", "report_delayed"]);

export class CallStream {
  /** `hear` and `state` as Stream; `ended(why)` once: `over`, or `missing` where no such call is to be seen. */
  constructor(callId, { hear, state, ended }) {
    let told = false;
    const end = (why) => {
      ended(why);
      return false;
    };
    this.stream = new Stream(`live/calls/${encodeURIComponent(callId)}/events`, {
      state,
      hear: (type, event) => {
        told ||= LAST.has(type) || (type === "error" && event.fatal);
        hear(type, event);
      },
      missing: () => end("missing"),
      // A connection also ends after a while by itself; a call that is over has nothing more to tell.
      closed: (empty) => (told || empty ? end("over") : true),
    });
  }

  stop() {
    this.stream.stop();
  }
}
