import type { ProfileVerdict } from "./report.js";
import type { SystemRun } from "./systems.js";

/** What every profile makes of a capture, where that was asked for (`--profile all`): which of them explain it. */
export function profileVerdicts(runs: readonly SystemRun[]): readonly ProfileVerdict[] {
  return runs.flatMap(({ system, profile: chosen, every }) =>
    every.map(({ profile, checker: { tally, findings } }): ProfileVerdict => {
      const { contradictions, first } = findings;
      return {
        system,
        profile,
        chosen: profile === chosen.name,
        verdict: contradictions > 0 ? "divergent" : tally.checked > 0 ? "conform" : "inconclusive",
        checked: tally.checked,
        unchecked: tally.operations - tally.checked,
        divergences: contradictions,
        ...(first === undefined ? {} : { first }),
      };
    }),
  );
}
