import { join } from "node:path";
import type { CaptureReport } from "../check/report.js";
import { visible } from "../report/visible.js";
import { writeWholeFile } from "../report/whole-file.js";
import { UsageError } from "./errors.js";
import type { Io } from "./io.js";

/** Writes `expected.json` beside the recordings of captures (`check --update`), each whole or not at all. */
export class ExpectedFiles {
  /** How many captures can't have the file, or could not be written to. */
  refused = 0;
  private readonly io: Io;
  private readonly force: boolean;

  /**
   * `force`: also for a divergent capture, and where CI is set: there nobody looks at what is written.
   * @throws UsageError
   */
  constructor(io: Io, force: boolean) {
    const { CI = "" } = io.env;
    if (CI !== "" && !force) {
      throw new UsageError(
        `--update: CI is set (CI=${visible(CI)}): states that nobody looked at would be expected from now on (--force writes them all the same)`,
      );
    }
    this.io = io;
    this.force = force;
  }

  /** Takes the text for one capture; there is none where the capture has an error. */
  async write({ path, verdict }: CaptureReport, text: string | undefined): Promise<void> {
    if (text === undefined) return this.say(path, "expected.json was not written: the report says what is wrong");
    if (verdict === "error")
      return this.say(path, "expected.json was not written: the capture could not be read in full");
    if (verdict === "divergent" && !this.force) {
      return this.say(path, "expected.json was not written: the capture is divergent (--force writes it all the same)");
    }
    const { isCaptureFolder, listDirectory } = await import("../capture/folder.js");
    const listing = await listDirectory(path).catch(() => undefined);
    if (listing === undefined || !isCaptureFolder(listing.files)) {
      this.refused++;
      const reason = "only a directory with a capture.json or a sysfs.txt can have one";
      return this.say(path, `expected.json was not written: ${reason}`);
    }
    const file = join(path, "expected.json");
    try {
      await writeWholeFile(file, [text]);
    } catch (error) {
      if (!(error instanceof Error && "syscall" in error)) throw error;
      this.refused++;
      return this.say(path, `expected.json can't be written: ${error.message}`);
    }
    await this.say(path, "expected.json written");
  }

  private async say(path: string, text: string): Promise<void> {
    await this.io.stderr.write(`${visible(path)}: ${text}\n`);
  }
}
