import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scratch } from "../capture/files.js";
import { kvmConform } from "./command.js";
import { faulty, filesOf, hotplug, interrupts, randomCaptures, sharing } from "./recordings.js";

const make = scratch();

const captures = [
  sharing,
  hotplug,
  interrupts,
  faulty("m09-errno-sharing--c-04-sharing"),
  ...Object.values(randomCaptures).map(([path = ""]) => path),
  damaged(),
];

/** A capture with lines of no meaning, a source that ends in the middle, remarks on its manifest and wrong expected states. */
function damaged(): string {
  const files = filesOf(hotplug);
  const text = (name: string): string => Buffer.from(files[name] ?? []).toString("latin1");
  const strace = text("strace.txt").split("\n");
  for (let at = 5; at < strace.length; at += 20) strace.splice(at, 0, `what is this ${at}`);
  const trace = text("trace.txt");
  const state = { ap: { mdevs: [], bus: { nosuch: 1 } } };
  return make({
    ...files,
    "strace.txt": strace.join("\n"),
    "trace.txt": `# a remark\n${trace.slice(0, trace.length - 30)}`,
    "capture.json": JSON.stringify({ ...JSON.parse(text("capture.json")), nosuch: 1 }),
    "expected.json": JSON.stringify({ version: 1, checkpoints: [{ after: "end", state }] }),
  });
}

let root: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "kvm-conform-"));
});

afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

describe.each(captures.map((path, index) => ({ name: `${index}-${basename(path)}`, path })))(
  "$name",
  ({ name, path }) => {
    const folder = (): string => join(root, name);
    const file = (): string => join(root, `${name}.kce`);

    beforeAll(async () => {
      cpSync(path, folder(), { recursive: true });
      expect((await kvmConform(["ingest", folder(), "-o", file()])).code).toBe(0);
    });

    test.each([
      { options: ["--reporter", "json"] },
      { options: ["--reporter", "text"] },
      { options: ["--reporter", "json", "--profile", "all"] },
    ])("check $options says the same of the capture and of its .kce file", async ({ options }) => {
      const one = await kvmConform(["check", folder(), ...options]);
      const other = await kvmConform(["check", file(), ...options]);
      expect(one.out.length).toBeGreaterThan(100);
      expect(other.out.replaceAll(file(), folder())).toBe(one.out);
      expect(other).toMatchObject({ code: one.code, err: one.err });
    });

    test("replay says the same", async () => {
      const one = await kvmConform(["replay", folder()]);
      const other = await kvmConform(["replay", file()]);
      expect(other.out).toBe(one.out);
      expect(one.out.split("\n").length).toBeGreaterThan(20);
    });
  },
);
