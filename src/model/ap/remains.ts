import { apqnText } from "../../operation/ap/attribute.js";
import { isKnown } from "../core/known.js";
import { bareName } from "../core/rule.js";
import { guestName } from "./guests.js";
import type { ApState, Guest, Leak, Queue } from "./state.js";

/** Lines beyond this many are only counted. */
const LIMIT = 12;

/** What is still pinned or registered at the end of a recording, and why. */
export function remains(s: ApState): readonly string[] {
  const lines: string[] = [];
  for (const guest of s.guests.values()) {
    // With the guest its counts are gone, and with its process the container.
    if (!guest.live) continue;
    for (const queue of s.queues.values()) if (queue.heldBy === guest) lines.push(...registered(guest, queue));
    lines.push(...leaked(guest));
  }
  const rest = lines.length - LIMIT;
  return rest > 0 ? [...lines.slice(0, LIMIT), `at the end: ${rest} more pins, registrations and references`] : lines;
}

function registered(guest: Guest, queue: Queue): readonly string[] {
  const { savedIsc, savedNib } = queue;
  const parts: string[] = [];
  if (isKnown(savedNib) && savedNib !== null) parts.push(`NIB ${savedNib} pinned`);
  if (isKnown(savedIsc) && savedIsc !== null) parts.push(`ISC ${savedIsc} registered`);
  if (parts.length === 0) return [];
  const why = guest.hook === null ? "its guest has no mdev any more" : "its interrupt is enabled";
  return [`at the end: ${parts.join(" and ")} at ${guestName(guest)} for ${apqnText(queue.apqn)}: ${why}`];
}

function leaked(guest: Guest): readonly string[] {
  return isKnown(guest.leaks) ? guest.leaks.flatMap((leak) => leakText(guest, leak)) : [];
}

function leakText(guest: Guest, { kind, what, apqn, rule }: Leak): readonly string[] {
  const queue = apqn === undefined ? "" : ` for ${apqnText(apqn)}`;
  const cause = bareName(rule.id);
  switch (kind) {
    case "pin":
      return [`at the end: ${what} pinned at ${guestName(guest)}${queue}, leaked (${cause})`];
    case "isc":
      return [`at the end: ISC ${what} registered at ${guestName(guest)}${queue}, leaked (${cause})`];
    case "ref":
      return [`at the end: ${what} references on ${guestName(guest)} out of account (${cause})`];
    case "stale":
      return [];
  }
}
