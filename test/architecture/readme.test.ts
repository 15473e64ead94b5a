import { join } from "node:path";
import { expect, test } from "vitest";
import { check } from "../../src/check/check.js";
import { textReporter } from "../../src/report/text.js";
import { root, sourcesBelow, textOf } from "./sources.js";

const readme = textOf("README.md");

/** What the command prints for a capture, as the README quotes it. */
async function quoted(path: string): Promise<string> {
  const report = await check([join(root, path)]);
  const text = [...textReporter.render(report)].join("").replace(join(root, path), path);
  const lines = text.trimEnd().split("\n");
  return lines.map((line) => (line === "" ? "" : `    ${line}`)).join("\n");
}

test("the README quotes the report of a faulty driver as it is printed", async () => {
  const path = "test/captures/ap/faulty/m20-crycb-not-cleared--c-01-lifecycle";
  expect(readme).toContain(`npx kvm-conform check ${path}\n${await quoted(path)}\n`);
});

test("the README names every command, and no other", () => {
  const commands = [...readme.matchAll(/^\| `(\w+) [^|]*` \|/gm), ...readme.matchAll(/^\| `(\w+)` \|/gm)];
  const named = commands.map((match) => match[1]).filter((name) => name !== "ap");
  const there = sourcesBelow("src/cli/commands").map((file) => file.replace(/^.*\/(.*)\.ts$/, "$1"));
  expect([...new Set(named)].sort()).toEqual(there);
});

test("every script that the README names is there", () => {
  const scripts: Record<string, string> = JSON.parse(textOf("package.json")).scripts;
  const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map((match) => match[1] ?? "");
  expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
});
