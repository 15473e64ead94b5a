import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Import, importsOf, root, sourcesBelow } from "./sources.js";

/**
 * The stations of the way from bytes to a report, and those before it that each may import. One direction, no way back;
 * src/README.md says what each is.
 */
const stations: Readonly<Record<string, readonly string[]>> = {
  event: [],
  ingest: ["event"],
  capture: ["event", "ingest"],
  operation: ["event"],
  model: ["event", "operation"],
  check: ["event", "capture", "operation", "model"],
  diff: ["event", "capture", "operation", "model", "check"],
  // Of a check's result a report knows only the types.
  report: ["check"],
  kit: [],
  cli: ["event", "ingest", "capture", "operation", "model", "check", "diff", "report", "kit"],
};

/** Folders whose subfolders know nothing of each other: one a format, one a system. `core` is common to the others. */
const separate = ["src/ingest", "src/operation", "src/model"];

const sources = sourcesBelow("src");
const all = sources.flatMap(importsOf);
const ours = all.filter((one) => one.ours);

function stationOf(path: string): string {
  const [, station = "", rest] = path.split("/");
  return rest === undefined ? "" : station;
}

/** The part of a separate folder that a file belongs to: `src/model/ap`. */
function partOf(path: string): string | undefined {
  const [src, station, part, rest] = path.split("/");
  return rest !== undefined && part !== "core" && separate.includes(`${src}/${station}`) ? part : undefined;
}

function text(one: Import): string {
  return `${one.from} -> ${one.target}${one.typeOnly ? " (type)" : ""}`;
}

describe("import rules of src", () => {
  test("every import is found: a sample of each form", () => {
    const forms = importsOf("test/architecture/forms.txt").map(text);
    expect(forms).toEqual([
      "test/architecture/forms.txt -> test/event/word.ts",
      "test/architecture/forms.txt -> test/event/mask.ts (type)",
      "test/architecture/forms.txt -> test/architecture/a.ts (type)",
      "test/architecture/forms.txt -> test/architecture/b.ts",
      "test/architecture/forms.txt -> node:fs",
      "test/architecture/forms.txt -> test/architecture/c.ts (type)",
      "test/architecture/forms.txt -> test/architecture/d.ts",
      "test/architecture/forms.txt -> side-effect",
      "test/architecture/forms.txt -> test/architecture/e.ts",
      "test/architecture/forms.txt -> test/architecture/f.ts (type)",
    ]);
  });

  test("every folder is a station", () => {
    const folders = new Set(sources.map(stationOf));
    folders.delete("");
    expect([...folders].filter((folder) => !Object.hasOwn(stations, folder))).toEqual([]);
  });

  test("every import of ours names a file", () => {
    const missing = ours.filter(({ target }) => !existsSync(join(root, target)));
    const generated = (one: Import): boolean => one.target.startsWith("src/event/generated/");
    expect(missing.filter((one) => !generated(one)).map(text)).toEqual([]);
  });

  test("a folder imports only from stations before it", () => {
    const wrong = ours.filter(({ from, target }) => {
      const here = stationOf(from);
      const there = stationOf(target);
      return here !== "" && here !== there && stations[here]?.includes(there) !== true;
    });
    expect(wrong.map(text)).toEqual([]);
  });

  test("src imports nothing of test", () => {
    expect(ours.filter(({ target }) => !target.startsWith("src/")).map(text)).toEqual([]);
  });

  test("nothing imports the entry of the library", () => {
    expect(ours.filter(({ target }) => target === "src/index.ts").map(text)).toEqual([]);
  });

  test("reports know only the types of a check", () => {
    const wrong = ours.filter((one) => stationOf(one.from) === "report" && stationOf(one.target) !== "report");
    expect(wrong.filter((one) => !one.typeOnly).map(text)).toEqual([]);
  });

  test("formats know nothing of each other, and neither do systems", () => {
    const wrong = ours.filter(({ from, target }) => {
      const here = partOf(from);
      const there = partOf(target);
      return here !== undefined && there !== undefined && here !== there && sameKind(from, target);
    });
    expect(wrong.map(text)).toEqual([]);
  });

  test("the core of the models knows no system", () => {
    const wrong = ours.filter(
      ({ from, target, typeOnly }) => from.startsWith("src/model/core/") && partOf(target) !== undefined && !typeOnly,
    );
    expect(wrong.map(text)).toEqual([]);
  });

  test("of the check only the table of systems names one", () => {
    const wrong = ours.filter(
      ({ from, target }) =>
        stationOf(from) === "check" && from !== "src/check/systems.ts" && partOf(target) !== undefined,
    );
    expect(wrong.map(text)).toEqual([]);
  });

  test("the library does not load what only the command needs", () => {
    const command = new Set(["yargs", "ora"]);
    const wrong = all.filter((one) => command.has(packageOf(one.target)) && stationOf(one.from) !== "cli");
    expect(wrong.map(text)).toEqual([]);
  });
});

/** Formats are apart from formats; a system's model may use its own operations and nobody else's. */
function sameKind(from: string, target: string): boolean {
  return stationOf(from) === "ingest" ? stationOf(target) === "ingest" : stationOf(target) !== "ingest";
}

function packageOf(name: string): string {
  const parts = name.split("/");
  return name.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? "");
}
