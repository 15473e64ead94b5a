import { chmodSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeWholeFile } from "../../src/report/whole-file.js";
import { scratch } from "../capture/files.js";

const make = scratch();

describe("writeWholeFile", () => {
  it("writes all pieces and leaves nothing else behind", async () => {
    const root = make({});
    await writeWholeFile(join(root, "out"), ["a", "b".repeat(600_000), "c"]);
    expect(readFileSync(join(root, "out"), "utf8")).toBe(`a${"b".repeat(600_000)}c`);
    expect(readdirSync(root)).toEqual(["out"]);
  });

  it("leaves the old file as it was where the text can't be made", async () => {
    const root = make({ out: "old" });
    function* broken() {
      yield "x".repeat(600_000);
      throw new Error("no more");
    }
    await expect(writeWholeFile(join(root, "out"), broken())).rejects.toThrow("no more");
    expect(readFileSync(join(root, "out"), "utf8")).toBe("old");
    expect(readdirSync(root)).toEqual(["out"]);
  });

  it("keeps the mode of a file, and a link a link", async () => {
    const root = make({ real: "old" });
    chmodSync(join(root, "real"), 0o640);
    symlinkSync("real", join(root, "link"));
    await writeWholeFile(join(root, "link"), ["new"]);
    expect(lstatSync(join(root, "link")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(root, "real"), "utf8")).toBe("new");
    expect(statSync(join(root, "real")).mode & 0o777).toBe(0o640);
  });

  it("does not replace a device", async () => {
    await writeWholeFile("/dev/null", ["x"]);
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  it("fails where the directory is not there", async () => {
    await expect(writeWholeFile(join(make({}), "no/out"), ["x"])).rejects.toThrow("ENOENT");
  });
});
