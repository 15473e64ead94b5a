import type { Output } from "./io.js";

/** Milliseconds between two changes of the line. */
const INTERVAL = 100;

/** What a long run shows while it lasts. */
export interface Progress {
  update(path: string, events: number): void;
  /** Takes the line away. */
  stop(): void;
}

const silent: Progress = { update: () => {}, stop: () => {} };

/**
 * A line on a terminal; nothing where there is none, or where it is not wanted. A terminal without a width gets none
 * either: ora would go on for ever clearing lines that it takes for broken ones.
 */
export async function startProgress(stderr: Output, wanted: boolean): Promise<Progress> {
  if (!wanted || stderr.columns === undefined) return silent;
  const { default: ora } = await import("ora");
  const { visible } = await import("../report/visible.js");
  // Standard input stays the shell's: an interrupt reaches us as a signal.
  const spinner = ora({ stream: stderr.stream, discardStdin: false, text: "looking for captures" });
  // A dumb terminal, or CI: ora would print the first text as a line of its own.
  if (!spinner.isEnabled) return silent;
  spinner.start();
  let next = 0;
  return {
    update(path, events) {
      const now = performance.now();
      if (now < next) return;
      next = now + INTERVAL;
      spinner.text = `${visible(path)}: ${events.toLocaleString("en")} events`;
      // The loop that reads events leaves timers no room: the spinner turns here.
      spinner.render();
    },
    stop() {
      spinner.stop();
    },
  };
}
