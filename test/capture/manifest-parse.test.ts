import { describe, expect, it } from "vitest";
import { parseManifest } from "../../src/capture/manifest-parse.js";

function errorsOf(value: unknown): readonly string[] {
  const result = parseManifest(typeof value === "string" ? value : JSON.stringify(value), "capture.json");
  return result.kind === "errors" ? result.errors : [];
}

describe("parseManifest", () => {
  it("reads every field", () => {
    const text = JSON.stringify({
      version: 1,
      arch: "s390x",
      kernel: "6.1.0-31-s390x",
      profile: { ap: "dynamic-v12", dawr: "linux-6.1" },
      sources: [
        {
          file: "./trace.txt",
          format: "ftrace",
          clock: "mono",
          offsetNs: "1711118461123456789",
          probes: ["pqap_entry"],
        },
        { file: "logs/strace.txt", offsetNs: -1500 },
      ],
      environment: "sysfs.txt",
      facts: { ap: { variant: "released", mdevInstances: 512 }, dawr: { cpu: { arch31: true } } },
    });
    expect(parseManifest(text, "capture.json")).toEqual({
      kind: "manifest",
      manifest: {
        arch: "s390x",
        kernel: "6.1.0-31-s390x",
        profile: { ap: "dynamic-v12", dawr: "linux-6.1" },
        sources: [
          {
            file: "trace.txt",
            format: "ftrace",
            clock: "mono",
            offsetNs: 1711118461123456789n,
            probes: ["pqap_entry"],
          },
          { file: "logs/strace.txt", format: undefined, clock: undefined, offsetNs: -1500n, probes: undefined },
        ],
        environment: "sysfs.txt",
        facts: { ap: { variant: "released", mdevInstances: 512 }, dawr: { cpu: { arch31: true } } },
      },
      notes: [],
    });
  });

  it("needs nothing but an object, and takes a byte order mark", () => {
    expect(parseManifest("\ufeff{}", "capture.json")).toMatchObject({
      kind: "manifest",
      manifest: { sources: undefined, environment: undefined, profile: {}, facts: {} },
    });
  });

  it("keeps a profile for all systems under *", () => {
    expect(parseManifest('{"profile":"linux-6.1"}', "capture.json")).toMatchObject({
      manifest: { profile: { "*": "linux-6.1" } },
    });
  });

  it.each([
    [[], "capture.json: the file: expected an object, found a list"],
    [{ version: 2 }, "capture.json: version: version 2 is not read by this program; it reads version 1"],
    [{ version: "1" }, "capture.json: version: expected the number 1, found a text"],
    [{ arch: 5 }, "capture.json: arch: expected a text, found a number"],
    [{ kernel: null }, "capture.json: kernel: expected a text, found null"],
    [{ profile: 1 }, "capture.json: profile: expected a text or an object, found a number"],
    [{ profile: { ap: true } }, "capture.json: profile.ap: expected a text, found true"],
    [{ sources: {} }, "capture.json: sources: expected a list, found an object"],
    [{ sources: ["a"] }, "capture.json: sources[0]: expected an object, found a text"],
    [{ sources: [{}] }, "capture.json: sources[0].file: is missing: every source names its file"],
    [{ sources: [{ file: "a" }, { file: "./a" }] }, 'capture.json: sources[1].file: "a" is listed twice'],
    [
      { sources: [{ file: "a", probes: ["x", 7] }] },
      "capture.json: sources[0].probes[1]: expected a text, found a number",
    ],
    [{ facts: { ap: [] } }, "capture.json: facts.ap: expected an object, found a list"],
    [{ facts: { "a b": 1 } }, 'capture.json: facts["a b"]: expected an object, found a number'],
    [
      { sources: [{ file: "a", offsetNs: 1.5 }] },
      'capture.json: sources[0].offsetNs: expected nanoseconds as a text of digits ("-1500"), found a number',
    ],
    [
      { sources: [{ file: "a", offsetNs: "1e9" }] },
      'capture.json: sources[0].offsetNs: expected nanoseconds as a text of digits ("-1500"), found "1e9"',
    ],
  ])("%j is an error with its path", (value, error) => {
    expect(errorsOf(value)).toEqual([error]);
  });

  it("names the formats where one is not known", () => {
    expect(errorsOf({ sources: [{ file: "a", format: "strase" }] })[0]).toContain("strace, ftrace, sysfs");
  });

  it.each(["/etc/passwd", "../x", "a/../../x", "", "C:\\x", "..\\x", "a\0b"])("refuses the file name %j", (file) => {
    expect(errorsOf({ sources: [{ file }] })).toHaveLength(1);
    expect(errorsOf({ environment: file })).toHaveLength(1);
  });

  it("gathers several errors", () => {
    expect(errorsOf({ arch: 1, kernel: 2 })).toHaveLength(2);
  });

  it.each([
    ['{\n  "arch": "s390x",\n}', 'capture.json:3:1: not valid JSON: unexpected "}"'],
    ['{"arch" "s390x"}', 'capture.json:1:9: not valid JSON: unexpected "\\""'],
    ['{"arch":', "capture.json:1:9: not valid JSON: it ends too early"],
    ["", "capture.json:1:1: not valid JSON: the file is empty"],
  ])("gives line and column of the fault in %j", (text, error) => {
    expect(errorsOf(text)).toEqual([error]);
  });

  it("notes unknown keys", () => {
    const result = parseManifest(
      JSON.stringify({ author: "me", sources: [{ file: "a", colour: 1 }], facts: { tape: {} } }),
      "capture.json",
    );
    expect(result.kind === "manifest" ? result.notes.map((note) => [note.code, note.message]) : []).toEqual([
      ["unknown-key", "author is not known and was not read"],
      ["unknown-key", "sources[0].colour is not known and was not read"],
      ["unknown-key", "facts.tape is no system: ap, dawr and platform are"],
    ]);
  });

  it("keeps keys of the input from reaching object prototypes", () => {
    const result = parseManifest('{"facts":{"ap":{"__proto__":{"x":1}}}}', "capture.json");
    expect(({} as Record<string, unknown>).x).toBeUndefined();
    expect(result.kind === "manifest" && Object.hasOwn(result.manifest.facts.ap ?? {}, "__proto__")).toBe(true);
  });
});
