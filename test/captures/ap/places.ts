import { readdirSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../../..");

/** A shipped capture and what really happened in its run. */
export interface Shipped {
  /** `linux-6.1/01-lifecycle`. */
  readonly name: string;
  readonly capture: string;
  readonly truth: string;
}

/** All captures of the AP system under traces/. */
export const shipped: readonly Shipped[] = folders(join(root, "traces/ap")).flatMap((profile) =>
  folders(join(root, "traces/ap", profile)).map((name) => ({
    name: `${profile}/${name}`,
    capture: join(root, "traces/ap", profile, name),
    truth: join(import.meta.dirname, "truth", profile, `${name}.jsonl`),
  })),
);

/** Recordings of drivers with a fault put in. */
export const faultyFolder = join(import.meta.dirname, "faulty");

export const faulty: readonly string[] = folders(faultyFolder);

function folders(path: string): readonly string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}
