import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { check } from "../../src/check/check.js";
import type { CaptureReport, Verdict } from "../../src/check/report.js";
import { scratch } from "../capture/files.js";
import { kvmConform } from "./command.js";
import { filesOf, interrupts, sharing } from "./recordings.js";

const make = scratch();

const files = filesOf(sharing);
const strace = textOf("strace.txt");
const manifest: unknown = JSON.parse(textOf("capture.json"));

function textOf(name: string): string {
  return Buffer.from(files[name] ?? []).toString("latin1");
}

/** The capture with another manifest. */
function withManifest(text: string): string {
  return make({ ...files, "capture.json": text });
}

/** The capture without one of its files. */
function without(name: string): string {
  return make(Object.fromEntries(Object.entries(files).filter(([file]) => file !== name)));
}

function fileOf(name: string, content: string | Uint8Array): string {
  return join(make({ [name]: content }), name);
}

/** Text that no recorder writes and no compiler knows, of a fixed seed. */
function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (state * 48271) % 2147483647;
    bytes[i] = state & 0xff;
  }
  return bytes;
}

/** What is made of one bad input; `says`: found in the error, else in the notes. */
interface Case {
  readonly what: string;
  readonly path: () => string | Promise<string>;
  readonly verdict: Verdict;
  readonly code: number;
  readonly says: readonly (string | RegExp)[];
}

const cases: readonly Case[] = [
  {
    what: "a recording that ends in the middle of a line",
    path: () => fileOf("strace.txt", strace.slice(0, strace.indexOf("assign_domain") + 5)),
    verdict: "conform",
    code: 0,
    says: [/strace\.txt:10: the source ends in the middle of this line/],
  },
  {
    what: "a binary file",
    path: () => fileOf("strace.txt", noise(100_000)),
    verdict: "error",
    code: 3,
    says: ["of no known format", "these are read: strace"],
  },
  {
    what: "an empty file",
    path: () => fileOf("strace.txt", ""),
    verdict: "inconclusive",
    code: 0,
    says: ["nothing was checked: the recordings hold no event", "strace.txt: holds no line"],
  },
  {
    what: "text of another kind",
    path: () => fileOf("page.html", "<!DOCTYPE html>\n<p>404</p>\n"),
    verdict: "error",
    code: 3,
    says: ["the file is text of no known format", "these are read: strace"],
  },
  {
    what: "a recording of another format than the manifest says",
    path: () => {
      const sources = [{ file: "trace.txt", format: "strace" }];
      return withManifest(JSON.stringify({ ...(manifest as object), sources }));
    },
    verdict: "inconclusive",
    code: 0,
    says: ["nothing was checked", /trace\.txt:\d+: /],
  },
  {
    what: "a snapshot that the manifest names and that is missing",
    path: () => without("sysfs.txt"),
    verdict: "error",
    code: 3,
    says: ["capture.json: environment: there is no file sysfs.txt in the capture"],
  },
  {
    what: "a capture without a snapshot",
    path: () => {
      const { "sysfs.txt": _, ...others } = filesOf(interrupts);
      return make({ ...others, "capture.json": JSON.stringify({ ...(manifest as object), environment: undefined }) });
    },
    verdict: "conform",
    code: 0,
    says: ["profile ap linux-6.1: named by the manifest"],
  },
  {
    what: "a source that the manifest lists and that is missing",
    path: () => without("trace.txt"),
    verdict: "error",
    code: 3,
    says: ["capture.json: sources[1].file: there is no file trace.txt in the capture"],
  },
  {
    what: "a manifest that is not JSON",
    path: () => withManifest('{\n  "arch": "s390x",\n  "kernel" "6.1"\n}\n'),
    verdict: "error",
    code: 3,
    says: ['capture.json:3:12: not valid JSON: unexpected "\\""'],
  },
  {
    what: "a manifest with values of a wrong type",
    path: () => withManifest('{"arch": 390, "sources": [{"file": "strace.txt", "offsetNs": 1.5}]}'),
    verdict: "error",
    code: 3,
    says: [
      "capture.json: arch: expected a text, found a number",
      'capture.json: sources[0].offsetNs: expected nanoseconds as a text of digits ("-1500"), found a number',
    ],
  },
  {
    what: "a manifest that reaches for other files",
    path: () => withManifest('{"sources": [{"file": "../../etc/passwd"}]}'),
    verdict: "error",
    code: 3,
    says: ['capture.json: sources[0].file: "../../etc/passwd" must be the name of a file in the capture\'s directory'],
  },
  {
    what: "a manifest with unknown keys",
    path: () => withManifest(JSON.stringify({ ...(manifest as object), recorder: "me" })),
    verdict: "conform",
    code: 0,
    says: ["capture.json: recorder is not known and was not read"],
  },
  {
    what: "facts that nobody knows",
    path: () => {
      const facts = { ap: { mdevInstances: 512, hostAqicStatuss: "lost" }, tape: {} };
      return withManifest(JSON.stringify({ ...(manifest as object), facts }));
    },
    verdict: "conform",
    code: 0,
    says: ["fact ap.hostAqicStatuss is not known; left out", "capture.json: facts.tape is no system"],
  },
  {
    what: "a profile that nobody knows",
    path: () => withManifest(JSON.stringify({ ...(manifest as object), profile: { ap: "linux-7.0" } })),
    verdict: "error",
    code: 3,
    says: ["capture.json: profile.ap: there is no profile linux-7.0; these are: aqic-v9, dynamic-v12, linux-6.1"],
  },
  {
    what: "a .kce file that ends in its events",
    path: async () => {
      const whole = await ingested();
      return fileOf("cut.kce", whole.subarray(0, whole.length - 400));
    },
    verdict: "conform",
    code: 0,
    says: [/cut\.kce: the file ends after \d+ bytes and \d+ events, before its end record/],
  },
  {
    what: "a .kce file that ends in its header",
    path: async () => fileOf("cut.kce", (await ingested()).subarray(0, 20)),
    verdict: "error",
    code: 3,
    says: ["the file ends after 20 bytes and 0 events, before its end record"],
  },
  {
    what: "a line of 100 MB",
    path: () => {
      const lines = strace.split("\n");
      lines.splice(3, 0, "x".repeat(100_000_000));
      const root = make({ ...files, "strace.txt": "" });
      writeFileSync(join(root, "strace.txt"), lines.join("\n"), "latin1");
      return root;
    },
    verdict: "conform",
    code: 0,
    says: ["strace.txt:4: the line is longer than 16 MiB and was left out"],
  },
  {
    what: "a directory without anything",
    path: () => make({}),
    verdict: "error",
    code: 3,
    says: ["the directory holds no recording of a known format, and no capture.json or sysfs.txt"],
  },
  {
    what: "a directory with a manifest alone",
    path: () => make({ "capture.json": "{}" }),
    verdict: "error",
    code: 3,
    says: ["holds no recording of a known format: there is nothing to check"],
  },
  {
    what: "a path that is not there",
    path: () => join(make({}), "nosuch"),
    verdict: "error",
    code: 3,
    says: ["there is no such file or directory"],
  },
];

let kce: Uint8Array | undefined;

/** The capture as a .kce file. */
async function ingested(): Promise<Uint8Array> {
  if (kce === undefined) {
    const file = join(make({}), "whole.kce");
    const { code, err } = await kvmConform(["ingest", sharing, "-o", file]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    kce = readFileSync(file);
  }
  return kce;
}

describe.each(cases)("$what", ({ path, verdict, code, says }) => {
  let bad: string;
  let report: CaptureReport | undefined;

  beforeAll(async () => {
    bad = await path();
    [report] = (await check([bad])).captures;
  });

  test("is judged as it has to be, and what is wrong is said with its place", () => {
    expect({ verdict: report?.verdict, error: report?.error }).toEqual({
      verdict,
      error: verdict === "error" ? expect.any(String) : undefined,
    });
    const told = verdict === "error" ? report?.error : report?.notes.join("\n");
    for (const text of says) {
      if (typeof text === "string") expect(told).toContain(text);
      else expect(told).toMatch(text);
    }
  });

  test("gives the exit status, and the other captures of the run are judged", async () => {
    const { code: status, out } = await kvmConform(["check", sharing, bad, sharing]);
    expect(status).toBe(code);
    expect(out.match(/^conform {7}.*04-sharing \(ap linux-6\.1; 48 of 48 operations checked\)$/gm)).toHaveLength(2);
    expect(out).toMatch(/^3 captures: /m);
  });
});

test("bad captures below one directory do not hide the good one", async () => {
  const root = make({ "b/strace.txt": noise(1000), "c/capture.json": "{", "d/x.html": "<p>" });
  mkdirSync(join(root, "a"));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(root, "a", name), content);
  const { captures } = await check([root]);
  expect(captures.map(({ path, verdict }) => [path.slice(root.length + 1), verdict])).toEqual([
    ["a", "conform"],
    ["c", "error"],
  ]);
});
