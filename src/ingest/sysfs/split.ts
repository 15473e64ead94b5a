/** A line of a snapshot: an attribute or link, and what it holds. */
export interface SnapshotLine {
  readonly path: string;
  readonly value: string;
}

/** Directory names of the buses that have colons in them (g): PCI functions and bridges, SCSI devices. */
const PCI = /^(?:pci)?[0-9a-f]{4,8}:[0-9a-f]{2}(?::[0-9a-f]{2}\.[0-7])?$/;
const SCSI = /^\d+:\d+:\d+:\d+$/;
/** Any other name of two parts: `1e780000.gpio:led`; also what `attribute:VALUE/...` looks like. */
const TWO_PARTS = /^[\w.-]+:[\w.-]+$/;

/** NAME_MAX: a longer name is none, and the patterns see no more. */
const LONGEST_NAME = 255;

/**
 * Splits one line of a snapshot, or gives undefined if it is none. The forms (g):
 *
 *     /sys/bus/ap/ap_domain:4                                        grep -rH
 *     /sys/bus/ap/ap_domain\0 4                                      grep -rHZ (without the blank)
 *     /sys/bus/ap/devices/04.0005/driver -> ../../../drivers/x       find -type l -printf '%p -> %l\n'
 *     /sys/bus/ap/devices/04.0005/driver l ../../../drivers/x        find -printf '%p %y %l\n'
 */
export function splitSnapshotLine(line: string): SnapshotLine | undefined {
  if (!line.startsWith("/")) return undefined;
  const nul = line.indexOf("\0");
  if (nul !== -1) {
    // A NUL may also stand in a value, behind the colon (`compatible` of the device tree).
    const before = findSeparator(line, nul);
    return splitAt(line, before.kind === "certain" ? before.at : nul, 1);
  }
  const separator = findSeparator(line, line.length);
  const arrow = line.indexOf(" -> ");
  if (arrow !== -1 && isLink(line, arrow, separator)) return splitAt(line, arrow, 4);
  if (separator.kind !== "none") return splitAt(line, separator.at, 1);
  const listed = /^(\/[^ ]{1,4096}) l ([^ ].{0,4095})$/.exec(line);
  return listed === null ? undefined : { path: listed[1] ?? "", value: listed[2] ?? "" };
}

function splitAt(line: string, at: number, width: number): SnapshotLine {
  return { path: line.slice(0, at), value: line.slice(at + width) };
}

interface Separator {
  /** `guessed`: a name of two parts that was first taken for a directory, as no other colon is left. */
  readonly kind: "certain" | "guessed" | "none";
  readonly at: number;
}

const NONE: Separator = { kind: "none", at: -1 };

/**
 * Finds the colon before `end` that separates path and value. The path is walked name by name: a colon within a bus address,
 * or within a name of two parts behind which the path goes on before any blank, is a part of the path.
 */
function findSeparator(line: string, end: number): Separator {
  const firstBlank = line.indexOf(" ");
  const blank = firstBlank === -1 ? end : firstBlank;
  let guessed = NONE;
  let start = 1;
  while (start < end) {
    const colon = line.indexOf(":", start);
    if (colon === -1 || colon >= end) return guessed;
    const slash = line.indexOf("/", start);
    const stop = slash === -1 || slash > end ? end : slash;
    if (colon < stop) {
      const goesOn = stop + 1 < end && stop < blank;
      const kind = goesOn ? kindOf(line.slice(start, Math.min(stop, start + LONGEST_NAME + 1))) : "attribute";
      if (kind === "attribute") {
        // A value may hold slashes before its own colon (`bindings:12/12 (x:y)`): a path has no blank.
        return guessed !== NONE && colon > blank ? guessed : { kind: "certain", at: colon };
      }
      if (kind === "two parts") guessed = { kind: "guessed", at: colon };
    }
    start = stop + 1;
  }
  return guessed;
}

/** What a name with a colon in it is, where the path goes on behind it. */
function kindOf(name: string): "bus address" | "two parts" | "attribute" {
  if (name.length > LONGEST_NAME) return "attribute";
  if (PCI.test(name) || SCSI.test(name)) return "bus address";
  // `iommu_group:../../kernel/...`: a link and its relative target.
  if (name.endsWith(":..") || name.endsWith(":.")) return "attribute";
  return TWO_PARTS.test(name) ? "two parts" : "attribute";
}

/** Whether ` -> ` at `arrow` stands between a link and its target, and not within a value. */
function isLink(line: string, arrow: number, separator: Separator): boolean {
  if (line.indexOf(" ") !== arrow) return false;
  if (separator.kind !== "certain" || separator.at > arrow) return true;
  // A link whose own name has a colon: a device in a directory of its bus.
  const name = line.slice(line.lastIndexOf("/", arrow) + 1, arrow);
  return kindOf(name) !== "attribute" && /^(?:\.\.?)?\//.test(line.slice(arrow + 4, arrow + 8));
}
