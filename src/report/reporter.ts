import type { Report } from "../check/report.js";

/** Turns the result of a check into text; knows nothing of other reporters or of where the text goes. */
export interface Reporter {
  /** Its name in `--reporter NAME`. */
  readonly name: string;
  /** What it is for, a few words for the help. */
  readonly summary: string;
  /** The report in pieces, to be written one after the other. */
  render(report: Report): Iterable<string>;
}
