import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** Captures of random operations, by the profile that they were recorded under. */
export const randomCaptures: Readonly<Record<string, readonly string[]>> = {
  "aqic-v9": below("test/captures/ap/profiles/aqic-v9"),
  "dynamic-v12": below("test/captures/ap/profiles/dynamic-v12"),
  "linux-6.1": below("traces/ap/linux-6.1").filter((path) => path.includes("/random-")),
};

/** Several mdevs and their sharing of queues, one guest. */
export const sharing = trace("04-sharing");
/** Assigning and unassigning with a guest. */
export const hotplug = trace("09-hotplug");
/** Interrupts enabled and disabled. */
export const interrupts = trace("13-aqic-basic");

/** A short capture under traces/. */
function trace(name: string): string {
  return join(root, "traces/ap/linux-6.1", name);
}

/** A recording of a driver with a fault. */
export function faulty(name: string): string {
  return join(root, "test/captures/ap/faulty", name);
}

function below(path: string): readonly string[] {
  return readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(root, path, entry.name))
    .sort();
}

/** The files of a capture, by name. */
export function filesOf(path: string): Readonly<Record<string, Uint8Array>> {
  return Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name))]));
}
