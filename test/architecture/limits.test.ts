import { expect, test } from "vitest";
import { sourcesBelow, textOf } from "./sources.js";

/** A file near this length probably does two things. */
const MAX_LINES = 400;

/** Files that may be longer, up to the length given, and why they are one thing all the same. */
const longer: Readonly<Record<string, { readonly lines: number; readonly because: string }>> = {
  "src/operation/ap/assembler.ts": {
    lines: 460,
    because:
      "one automaton: the transitions share the stack of each task, and half of the lines are tables of what a call can cause",
  },
  "src/operation/ap/syscalls.ts": {
    lines: 600,
    because: "one decoder a system call, all over the same descriptor table; none is long",
  },
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

test("an exception that is no longer needed is struck off", () => {
  const needless = Object.keys(longer).filter((path) => !files.includes(path) || linesOf(path) <= MAX_LINES);
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
