import type { Manifest } from "../capture/manifest.js";
import type { EnvironmentEvent } from "../event/event.js";
import type { SystemNote } from "../model/registry.js";

/** The profile that a system is judged by, and why. */
export interface ChosenProfile {
  readonly name: string;
  /** For people: `named by --profile`, `kernel 6.1.192 of the manifest` ... */
  readonly reason: string;
}

/** Stands for every profile, where a profile is named. */
const ALL = "all";

/**
 * The profile of a system (design section 3): the option, else the manifest, else the kernel release of the manifest
 * or the snapshot, else the newest.
 */
export function chooseProfile(
  system: string,
  known: readonly string[],
  options: readonly string[],
  manifest: Manifest,
  environment: readonly EnvironmentEvent[],
): ChosenProfile {
  const named = fromOptions(system, known, options);
  if (named !== undefined) return { name: named, reason: "named on the command line" };
  const written = manifest.profile[system] ?? manifest.profile["*"];
  if (written !== undefined && known.includes(written)) return { name: written, reason: "named by the manifest" };
  const release = kernelOf(manifest, environment);
  const byRelease = release === undefined ? undefined : profileOfRelease(system, release);
  if (byRelease !== undefined && release !== undefined) {
    return {
      name: byRelease,
      reason: `kernel ${release} of the ${manifest.kernel === undefined ? "snapshot" : "manifest"}`,
    };
  }
  return { name: known.at(-1) ?? "", reason: "the newest, as nothing names a kernel" };
}

/** Whether `--profile all` (or `SYSTEM=all`) asks for the verdict of every profile of a system. */
export function wantsEveryProfile(system: string, options: readonly string[]): boolean {
  return options.includes(ALL) || options.includes(`${system}=${ALL}`);
}

/**
 * What is wrong with the profiles that a manifest names: another profile must not stand in for one that is misspelt.
 * Nothing, where the command line names one.
 */
export function profileErrors(
  { profile }: Manifest,
  options: readonly string[],
  systems: readonly SystemNote[],
): readonly string[] {
  if (options.some((option) => option !== ALL && !option.endsWith(`=${ALL}`))) return [];
  const errors: string[] = [];
  for (const [system, name] of Object.entries(profile)) {
    const among = system === "*" ? systems : systems.filter((one) => one.system === system);
    const names = [...new Set(among.flatMap(({ profiles }) => profiles.map((one) => one.name)))];
    if (among.length === 0 || names.includes(name)) continue;
    const path = system === "*" ? "profile" : `profile.${system}`;
    errors.push(`capture.json: ${path}: there is no profile ${name}; these are: ${names.join(", ")}`);
  }
  return errors;
}

function fromOptions(system: string, known: readonly string[], options: readonly string[]): string | undefined {
  let named: string | undefined;
  for (const option of options) {
    const equals = option.indexOf("=");
    const name = equals < 0 ? option : option.slice(0, equals) === system ? option.slice(equals + 1) : "";
    if (known.includes(name)) named = name;
  }
  return named;
}

/** Release of the recorded kernel, of the manifest, else of the snapshot. */
export function kernelOf(manifest: Manifest, environment: readonly EnvironmentEvent[]): string | undefined {
  return manifest.kernel ?? releaseOf(environment);
}

function releaseOf(environment: readonly EnvironmentEvent[]): string | undefined {
  for (const { path, value } of environment) {
    if (path === "/proc/sys/kernel/osrelease") return value;
    const match = path === "/proc/version" ? /^Linux version (\S+)/.exec(value) : null;
    if (match?.[1] !== undefined) return match[1];
  }
  return undefined;
}

/** By release: ap 5.3 to 5.19 `aqic-v9`, 6.0 and later `linux-6.1`; dawr before 5.12 `pre-dawr1`, later `linux-6.1`. */
function profileOfRelease(system: string, release: string): string | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})/.exec(release);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  const version = Number(match[1]) * 1000 + Number(match[2]);
  if (system === "dawr") return version < 5012 ? "pre-dawr1" : "linux-6.1";
  if (system !== "ap") return undefined;
  if (version >= 6000) return "linux-6.1";
  return version >= 5003 ? "aqic-v9" : undefined;
}
