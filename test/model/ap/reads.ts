import type { Attribute } from "../../../src/operation/ap/attribute.js";
import { operationOf, readOf } from "./observed.js";
import type { World } from "./world.js";

/** A read gives exactly this text, and no other. */
export function reads(world: World, attribute: Attribute, text: string, where: string): void {
  const name = `${where}: read of ${attribute.name}`;
  for (const other of otherTexts(text)) {
    const read = operationOf("read", readOf(attribute, other), { kind: "value", value: other.length }, []);
    if (!world.refuses(read)) throw new Error(`${name}: not refused: ${JSON.stringify(other)}`);
  }
  const operation = operationOf("read", readOf(attribute, text), { kind: "value", value: text.length }, []);
  // Queues, and the whole driver, can go away unseen.
  const going = attribute.on === "queue" || attribute.on === "mdev-type";
  world.perform(operation, name, { errnos: going ? ["ENODEV"] : [], anyResult: false });
}

/** A read whose value is input: any text of its form would do, and nothing else. */
export function readsForm(world: World, attribute: Attribute, text: string, where: string): void {
  const name = `${where}: read of ${attribute.name}`;
  for (const other of [text.slice(0, -1), `${text}\n`, `x${text}`, "", "x\n", text.replace("\n", " \n")]) {
    const read = operationOf("read", readOf(attribute, other), { kind: "value", value: other.length }, []);
    if (!world.refuses(read)) throw new Error(`${name}: not refused: ${JSON.stringify(other)}`);
  }
  const operation = operationOf("read", readOf(attribute, text), { kind: "value", value: text.length }, []);
  world.perform(operation, name, { errnos: ["ENODEV"], anyResult: false });
}

/** The text with a line less, a line more, its last newline lost, or one character changed. */
function otherTexts(text: string): readonly string[] {
  const lines = text.split("\n").slice(0, -1);
  const joined = (some: readonly string[]): string => some.map((line) => `${line}\n`).join("");
  const others = [...lines.keys()].slice(0, 4).map((gone) => joined(lines.filter((_, i) => i !== gone)));
  if (lines.length > 0) {
    others.push(text.slice(0, -1), `${text}\n`, joined([...lines, lines.at(-1) ?? ""]));
    others.push(text.replace(/[0-9a-f](?=[^0-9a-f]*$)/, (digit) => (digit === "1" ? "2" : "1")));
  } else others.push("00.0000\n");
  return others.filter((other) => other !== text);
}
