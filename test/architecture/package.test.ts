import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root, textOf } from "./sources.js";

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lock: { readonly packages: Readonly<Record<string, LockedPackage>> } = JSON.parse(textOf("package-lock.json"));
const packages = Object.entries(lock.packages).filter(([path]) => path !== "");

describe("the lock file", () => {
  test("holds packages", () => {
    expect(packages.length).toBeGreaterThan(50);
  });

  test("names no address but the public registry", () => {
    const addresses = packages.map(([, one]) => one.resolved).filter((address) => address !== undefined);
    expect(addresses.filter((address) => !address.startsWith("https://registry.npmjs.org/"))).toEqual([]);
  });

  test("pins the contents of every package", () => {
    const open = packages.filter(([, one]) => one.integrity === undefined && one.link !== true);
    expect(open.map(([path]) => path)).toEqual([]);
  });

  // Else `npm ci` refuses the file, on every platform.
  test("has the optional packages of all platforms", () => {
    const names = new Set(packages.map(([path]) => path.slice(path.lastIndexOf("node_modules/") + 13)));
    const missing = packages.flatMap(([path, one]) =>
      Object.keys(one.optionalDependencies ?? {})
        .filter((name) => !names.has(name))
        .map((name) => `${name}, wanted by ${path}`),
    );
    expect(missing).toEqual([]);
  });
});

/** Bytes of all files below a folder. */
function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((path) => statSync(join(folder, path)))
    .reduce((total, file) => total + (file.isFile() ? file.size : 0), 0);
}

test("the captures that are shipped stay below 15 MB", () => {
  const size = sizeOf(join(root, "traces"));
  expect(size).toBeGreaterThan(0);
  expect(size).toBeLessThan(15_000_000);
});

// npx links it once for a place, and does not look at it again when it was built anew there.
test("the build makes a command that can be run", () => {
  expect(statSync(join(root, "dist/cli/main.js")).mode & 0o111).toBe(0o111);
});
