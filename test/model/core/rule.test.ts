import { expect, test } from "vitest";
import { bareName } from "../../../src/model/core/rule.js";

test.each([
  ["ap-config/ASG-1", "ASG-1"],
  ["aqic/5.5", "5.5"],
  ["VMSI-13", "VMSI-13"],
])("%s without the name of its spec is %s", (id, name) => {
  expect(bareName(id)).toBe(name);
});
