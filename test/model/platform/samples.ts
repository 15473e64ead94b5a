import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../captures/platform", import.meta.url));

/** A shipped recording of a real kernel: its lines, and what its manifest says. */
export interface Sample {
  readonly name: string;
  readonly profile: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
}

export function samples(): readonly Sample[] {
  return readdirSync(ROOT).flatMap((profile) =>
    readdirSync(join(ROOT, profile)).map((name) => {
      const folder = join(ROOT, profile, name);
      const manifest: unknown = JSON.parse(readFileSync(join(folder, "capture.json"), "utf8"));
      const lines = readFileSync(join(folder, "strace.txt"), "latin1").trimEnd().split("\n");
      return { name: `${profile}/${name}`, profile, facts: platformFacts(manifest), lines };
    }),
  );
}

function platformFacts(manifest: unknown): Readonly<Record<string, unknown>> {
  const facts = member(member(manifest, "facts"), "platform");
  return typeof facts === "object" && facts !== null ? { ...facts } : {};
}

function member(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
