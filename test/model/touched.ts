import { Touched } from "../../src/model/core/journal.js";

/** As if every field of these objects had changed. */
export function everyFieldOf(objects: Iterable<object>): Touched {
  const all = [...objects].flatMap((object) => Object.keys(object).map((key) => ({ object, key })));
  return new Touched(
    all.map(({ object }) => object),
    all.map(({ key }) => key),
  );
}
