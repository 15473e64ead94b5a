import type { Manifest } from "../capture/manifest.js";

/** The facts of one system: those of the manifest, and those given by dotted name, which win. */
export function factsOf(
  system: string,
  manifest: Manifest,
  given: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  const facts: Record<string, unknown> = { ...manifest.facts[system] };
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith(`${system}.`)) facts[name.slice(system.length + 1)] = value;
  }
  return facts;
}
