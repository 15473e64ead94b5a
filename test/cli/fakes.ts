import { Writable } from "node:stream";
import type { ProfileCoverage, RuleTitle } from "../../src/check/coverage.js";
import { Output } from "../../src/cli/io.js";
import { run } from "../../src/cli/run.js";
import type { CheckOptions, ReplayOptions, Services } from "../../src/cli/services.js";
import { conform, divergent, reportOf, unreadable } from "../report/sample.js";

/** A stream that keeps what is written; `broken` fails every write with this code. */
export class Sink extends Writable {
  text = "";
  readonly #broken: string | undefined;

  constructor(broken?: string) {
    super({ highWaterMark: 100 });
    this.#broken = broken;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    if (this.#broken !== undefined) {
      done(Object.assign(new Error(`write ${this.#broken}`), { code: this.#broken, syscall: "write" }));
      return;
    }
    this.text += chunk.toString();
    setImmediate(done);
  }
}

function coverageOf(profile: string, reached: number, notReached: readonly RuleTitle[]): ProfileCoverage {
  const reachedRules = [{ rule: "aqic/IRQ-1", title: "First", captures: 1, first: "a" }];
  const invariants = [{ rule: "aqic/INV-1", title: "Pins" }];
  const percent = reached * 50;
  return { system: "ap", profile, captures: 1, rules: 2, reached, percent, reachedRules, notReached, invariants };
}

/** What the commands asked of the fake services. */
export interface Asked {
  rule: string | undefined;
  paths: unknown;
  check: CheckOptions | undefined;
  replay: ReplayOptions | undefined;
}

const verdicts = {
  good: conform,
  bad: divergent,
  broken: unreadable,
  unsure: { ...conform, verdict: "inconclusive", checked: 0, unchecked: 1 },
} as const;

/** Services that judge a capture by its name: good, bad, broken, unsure; `throw` and `hang` do that. */
function fakeServices(asked: Asked): Services {
  return {
    loadCheck: async () => async (inputs, options) => {
      asked.paths = [...inputs];
      asked.check = options;
      const captures = [...inputs].map((input) => {
        const name = String(input);
        if (name === "throw") throw new TypeError("x is not a function");
        if (name === "hang") throw options?.signal?.reason ?? new Error("not interrupted");
        const capture = Object.entries(verdicts).find(([known]) => known === name)?.[1];
        if (capture === undefined) throw new Error(`no such fake: ${name}`);
        options?.onProgress?.({ path: name, events: 1 });
        return { ...capture, path: name };
      });
      return reportOf(...captures);
    },
    loadReplay: async () =>
      async function* (_path, options) {
        asked.replay = options;
        for (let operation = 1; operation <= 3000; operation++) {
          if (options?.at === undefined || options.at === operation)
            yield { operation, name: "pqap", state: { ap: {} } };
        }
      },
    loadCoverage: async () => async (inputs) => ({
      version: 1,
      tool: { name: "kvm-conform", version: "0" },
      captures: 2,
      errors: [...inputs].filter((path) => path === "broken").map((path) => ({ path, error: "it is broken" })),
      profiles: [coverageOf("aqic-v9", 2, []), coverageOf("linux-6.1", 1, [{ rule: "aqic/IRQ-4", title: "Enable" }])],
      unused: [{ system: "dawr", profile: "pre-dawr1" }],
    }),
    loadFirings: async () =>
      async function* (inputs, rule, { limit }) {
        asked.rule = rule;
        const firing = { name: "pqap", verdict: "checked", source: { file: "t.txt", line: 3 } } as const;
        for (const path of inputs) {
          if (path === "broken") yield { path, error: "it is\nbroken", total: 0, first: [] };
          else if (path === "never") yield { path, total: 0, first: [] };
          else yield { path, total: limit + 2, first: [1, 2].map((operation) => ({ ...firing, operation })) };
        }
      },
    loadRules: async () => [
      {
        id: "ap-config/SHARE-2",
        title: "Two mdevs never share an APQN",
        text: `${"An assignment is refused where another mdev has one of the APQNs. ".repeat(4)}\n\nSecond paragraph.`,
        source: "vfio-ap-config 4.2",
        profiles: ["aqic-v9", "linux-6.1"],
      },
      { id: "ap-config/ASG-1", title: "First", text: "One.", source: "s", profiles: [] },
      { id: "aqic/ASG-1", title: "Other", text: "Two.", source: "s", profiles: [] },
      { id: "aqic/IRQ-4", title: "Enable", text: "Three.", source: "s", profiles: ["aqic-v9"] },
    ],
    loadSystems: async () => [
      {
        system: "ap",
        profiles: [
          { name: "aqic-v9", title: "as posted", parameters: { "hot plug": "no", x: "1" } },
          { name: "linux-6.1", title: "Linux 6.1", parameters: { "hot plug": "yes", x: "1" } },
        ],
      },
      { system: "dawr", profiles: [{ name: "pre-dawr1", title: "before 5.12", parameters: {} }] },
    ],
    loadIngest: () => import("../../src/capture/ingest.js"),
  };
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly asked: Asked;
}

/** Runs a command with streams of our own. */
export async function runWith(
  argv: readonly string[],
  options: { readonly signal?: AbortSignal; readonly env?: Record<string, string>; readonly stdout?: string } = {},
): Promise<Ran> {
  const asked: Asked = { rule: undefined, paths: undefined, check: undefined, replay: undefined };
  const out = new Sink(options.stdout);
  const err = new Sink();
  const io = {
    stdout: new Output(out),
    stderr: new Output(err),
    env: options.env ?? {},
    signal: options.signal ?? new AbortController().signal,
  };
  const code = await run(argv, io, fakeServices(asked));
  // The last writes are still on their way.
  await new Promise((resolve) => setTimeout(resolve, 5));
  return { code, out: out.text, err: err.text, asked };
}
