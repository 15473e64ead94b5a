import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";

/** The top of the checkout. */
export const root = dirname(dirname(import.meta.dirname));

/** One statement that brings in another module. */
export interface Import {
  /** File that it stands in, from the top of the checkout, with `/`. */
  readonly from: string;
  /** What it names: a file of ours from the top of the checkout (`.ts`), else the package as written. */
  readonly target: string;
  readonly ours: boolean;
  /** `import type`, `export type`, or `typeof import()`: gone when the program runs. */
  readonly typeOnly: boolean;
}

/** TypeScript files below a folder, from the top of the checkout; what the build generates left out. */
export function sourcesBelow(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts") && !path.split(sep).includes("generated"))
    .map((path) => posix.join(folder, path.split(sep).join("/")))
    .sort();
}

export function textOf(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** `import ... from "x"`, `export ... from "x"`, `import "x"`: the statement up to its module name. */
const statement =
  /^(import|export)\b((?:(?!^(?:import|export)\b)[^"';])*?)\bfrom\s*["']([^"']+)["']|^import\s*["']([^"']+)["']/gm;
/** `import("x")`, with what stands before it. */
const expression = /(\btypeof\s+)?\bimport\(\s*["']([^"']+)["']\s*\)/g;

/** All imports of a file. */
export function importsOf(path: string): readonly Import[] {
  const text = textOf(path);
  const found: Import[] = [];
  for (const match of text.matchAll(statement)) {
    const clause = match[2] ?? "";
    found.push(importOf(path, match[3] ?? match[4] ?? "", isTypeOnly(clause)));
  }
  for (const match of text.matchAll(expression)) {
    found.push(importOf(path, match[2] ?? "", match[1] !== undefined));
  }
  return found;
}

/** `import type {}`, or braces in which every name is marked so. */
function isTypeOnly(clause: string): boolean {
  if (/^\s+type\b(?!\s*,)/.test(clause)) return true;
  const braces = /^\s*\{([^}]*)\}\s*$/.exec(clause)?.[1];
  if (braces === undefined) return false;
  const names = braces
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  return names.length > 0 && names.every((name) => name.startsWith("type "));
}

function importOf(from: string, name: string, typeOnly: boolean): Import {
  if (!name.startsWith(".")) return { from, target: name, ours: false, typeOnly };
  const absolute = join(root, dirname(from), name);
  const target = relative(root, absolute).split(sep).join("/").replace(/\.js$/, ".ts");
  return { from, target, ours: true, typeOnly };
}
