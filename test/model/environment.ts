import type { EnvironmentEvent } from "../../src/event/event.js";

/** The lines of a snapshot as events. */
export function environmentOf(lines: readonly (readonly [path: string, value: string])[]): readonly EnvironmentEvent[] {
  return lines.map(([path, value], i) => ({
    kind: "environment",
    source: 0,
    line: i + 1,
    time: undefined,
    tid: 0,
    comm: "",
    text: `${path}:${value}`,
    path,
    value,
  }));
}
