import { describe, expect, test } from "vitest";
import { initialState } from "../../../src/model/ap/initial.js";
import type { ApState } from "../../../src/model/ap/state.js";
import { unknown } from "../../../src/model/core/known.js";
import { environmentOf } from "../environment.js";

/** What a snapshot tells of cards, queues and mdevs (capture-formats g). */

type Line = readonly [path: string, value: string];

function stateOf(lines: readonly Line[], facts: Readonly<Record<string, unknown>> = {}): ApState {
  const environment = environmentOf(lines);
  return initialState({ profile: "linux-6.1", facts, environment, arch: "s390x", note: () => {} });
}

const CARD = "/sys/devices/ap/card05";
const QUEUE = `${CARD}/05.0004`;

describe("queues", () => {
  test.each([
    ["a link to vfio_ap", [[`${QUEUE}/driver`, "../../../../bus/ap/drivers/vfio_ap"]], "vfio_ap"],
    ["a link to another driver", [[`${QUEUE}/driver`, "../../../../bus/ap/drivers/cex4queue"]], "default"],
    // DRV-11: vfio_ap alone makes a status file, the drivers of the host an online file.
    ["a status file", [[`${QUEUE}/status`, "unassigned"]], "vfio_ap"],
    ["an online file", [[`${QUEUE}/online`, "1"]], "default"],
    ["neither", [[`${QUEUE}/config`, "1"]], "none"],
    [
      "a link before an online file",
      [
        [`${QUEUE}/driver`, "../../../../bus/ap/drivers/vfio_ap"],
        [`${QUEUE}/online`, "1"],
      ],
      "vfio_ap",
    ],
  ] as const)("%s", (_what, lines, driver) => {
    expect(stateOf(lines).queues.get(0x0504)?.driver).toBe(driver);
  });

  test("a snapshot of queues lists all of them; without one none is known not to be there", () => {
    expect(stateOf([[`${QUEUE}/config`, "1"]]).host.devicesListed).toBe(true);
    expect(stateOf([["/sys/bus/ap/config_time", "30"]]).host.devicesListed).toBe(false);
  });
});

describe("cards", () => {
  test("their type, and whether they are configured", () => {
    const lines = (config: string): readonly Line[] => [
      [`${CARD}/hwtype`, "13"],
      [`${CARD}/config`, config],
    ];
    expect(stateOf(lines("1")).cards.get(5)).toMatchObject({ type: 13, config: true });
    expect(stateOf(lines("0")).cards.get(5)).toMatchObject({ type: 13, config: false });
    expect(stateOf([[`${CARD}/hwtype`, "?"]]).cards.get(5)?.type).toBe(unknown);
    expect(stateOf([[`${CARD}/hwtype`, "13"]]).cards.get(5)?.config).toBe(unknown);
  });
});

describe("mdevs that the snapshot does not show (MDEV-2)", () => {
  const UUID = "62177883-f1bb-47f0-914d-32a22e3a8804";
  const available = (count: number): Line => [
    "/sys/devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/available_instances",
    String(count),
  ];
  const shown: Line = [`/sys/devices/vfio_ap/matrix/${UUID}/matrix`, "05.0004"];

  test.each([
    ["all instances are there", [available(65536)], {}, 0],
    ["the total is a fact", [available(3)], { mdevInstances: 3 }, 0],
    ["two are taken", [available(1)], { mdevInstances: 3 }, 2],
    ["two are taken, one of them is shown", [shown, available(1)], { mdevInstances: 3 }, 1],
    ["more are shown than are taken", [shown, available(3)], { mdevInstances: 3 }, 0],
    ["fewer than there were at first, the total not known", [available(65535)], {}, unknown],
    ["nothing tells", [shown], {}, unknown],
  ] as const)("%s", (_what, lines, facts, hidden) => {
    const { host, mdevs } = stateOf(lines, facts);
    expect(host.hiddenMdevs).toEqual(hidden);
    expect(mdevs.size).toBe(lines.some((line) => line === shown) ? 1 : 0);
  });
});

test("what comes after the snapshot is newer than what it shows (SHARE-3, QUEUE-10)", () => {
  const state = stateOf([[`${QUEUE}/driver`, "../../../../bus/ap/drivers/vfio_ap"]]);
  const first = state.tick();
  for (const { linkedAt } of state.queues.values()) expect(first).toBeGreaterThan(linkedAt);
  expect(state.tick()).toBeGreaterThan(first);
});
