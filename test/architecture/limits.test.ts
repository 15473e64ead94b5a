import { expect, test } from "vitest";
import { sourcesBelow, textOf } from "./sources.js";

/** A file near this length probably does two things. */
const MAX_LINES = 400;

/** Files that may be longer, up to the length given, and why they are one thing all the same. */
const longer: Readonly<Record<string, { readonly lines: number; readonly because: string }>> = {
  "src/model/ap/read.ts": {
    lines: 430,
    because: "a short function an attribute that is read; a fifth are the texts of the rules",
  },
  "src/model/ap/queue-life.ts": {
    lines: 410,
    because: "how a queue comes and goes: a third are the texts of the rules, which speak of both",
  },
  "src/model/core/trial.ts": {
    lines: 450,
    because: "one object that a model talks to: its results, effects and reads share the cursor and the first mismatch",
  },
  "src/operation/ap/assembler.ts": {
    lines: 440,
    because: "one automaton: its transitions share the stack of each task",
  },
  "src/operation/ap/syscalls.ts": {
    lines: 620,
    because: "a short decoder a system call, all over one descriptor table",
  },
  "src/operation/platform/syscalls.ts": {
    lines: 440,
    because: "a short decoder a system call, all over one descriptor table",
  },
  "test/model/platform/examples.test.ts": {
    lines: 640,
    because: "the eighteen worked examples of the specification, each for its profiles",
  },
  "test/captures/ppc-oracle.ts": {
    lines: 450,
    because: "the answers of one spec's tables, written a second time to hold the model against",
  },
  "test/model/ap/naive.ts": {
    lines: 520,
    because: "a naive model to hold the real one against: the fewer parts, the easier to trust",
  },
  "test/model/ap/steps.ts": { lines: 600, because: "the vocabulary of the worked examples: a short method a step" },
};

/** Lint rules that hold everywhere; a suppression of one needs to be listed here with its file. */
const suppressions: Readonly<Record<string, string>> = {
  "test/report/text.test.ts": "a pattern names the control characters that must not be printed",
};

const files = [...sourcesBelow("src"), ...sourcesBelow("test")];

function linesOf(path: string): number {
  return textOf(path).split("\n").length - 1;
}

test("no file is longer than it may be", () => {
  const over = files.filter((path) => linesOf(path) > (longer[path]?.lines ?? MAX_LINES));
  expect(over.map((path) => `${path}: ${linesOf(path)} lines`)).toEqual([]);
});

test("an exception that is long no longer needed is struck off", () => {
  const needless = Object.keys(longer).filter((path) => !files.includes(path) || linesOf(path) < 0.9 * MAX_LINES);
  expect(needless).toEqual([]);
});

test("no check of the compiler or the linter is switched off in a file", () => {
  const switches = /@ts-(?:ignore|nocheck|expect-error)|(?:biome|eslint)-(?:ignore|disable)/;
  const found = files.filter((path) => switches.test(textOf(path)) && !path.startsWith("test/architecture/"));
  expect(found).toEqual(Object.keys(suppressions));
});

test("the linter forbids any, non-null assertions and default exports", () => {
  const rules = JSON.parse(textOf("biome.json")).linter.rules;
  expect(rules.suspicious.noExplicitAny).toBe("error");
  expect(rules.style.noNonNullAssertion).toBe("error");
  expect(rules.style.noDefaultExport).toBe("error");
});
