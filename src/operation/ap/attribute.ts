/** A sysfs attribute that the AP model knows, by what it belongs to (vfio-ap-config 2.6). */
export type Attribute =
  | { readonly on: "bus"; readonly name: string }
  | { readonly on: "card"; readonly apid: number; readonly name: string }
  | { readonly on: "queue"; readonly apqn: number; readonly name: string }
  | { readonly on: "driver"; readonly driver: string; readonly name: "bind" | "unbind" }
  | { readonly on: "mdev-type"; readonly name: string }
  | { readonly on: "mdev"; readonly uuid: string; readonly name: string };

const MDEV_PARENTS = [
  "/sys/devices/vfio_ap/matrix/",
  "/sys/devices/virtual/vfio_ap/matrix/",
  "/sys/class/mdev_bus/matrix/",
  "/sys/bus/matrix/devices/matrix/",
  "/sys/bus/mdev/devices/",
];
const TYPE_DIRECTORY = "mdev_supported_types/vfio_ap-passthrough/";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const CARD = /^card([0-9a-f]{2})$/;
const QUEUE = /^([0-9a-f]{2})\.([0-9a-f]{4})$/;

/** The attribute that an absolute path names, through any of its alias directories; undefined for every other path. */
export function attributeOf(path: string): Attribute | undefined {
  if (!path.startsWith("/sys/")) return undefined;
  for (const parent of MDEV_PARENTS) {
    if (path.startsWith(parent)) return mdevAttribute(path.slice(parent.length));
  }
  if (path.startsWith("/sys/bus/ap/")) return busAttribute(path.slice("/sys/bus/ap/".length));
  if (path.startsWith("/sys/devices/ap/")) return deviceAttribute(path.slice("/sys/devices/ap/".length));
  return undefined;
}

function mdevAttribute(rest: string): Attribute | undefined {
  if (rest.startsWith(TYPE_DIRECTORY)) {
    const name = rest.slice(TYPE_DIRECTORY.length);
    return name.includes("/") ? undefined : { on: "mdev-type", name };
  }
  const slash = rest.indexOf("/");
  const uuid = slash < 0 ? rest : rest.slice(0, slash);
  const name = slash < 0 ? "" : rest.slice(slash + 1);
  if (!UUID.test(uuid) || name.includes("/")) return undefined;
  return { on: "mdev", uuid, name };
}

function busAttribute(rest: string): Attribute | undefined {
  if (rest.startsWith("devices/")) return deviceAttribute(rest.slice("devices/".length));
  if (rest.startsWith("drivers/")) {
    const [driver, name, more] = rest.slice("drivers/".length).split("/");
    if (driver === undefined || more !== undefined || (name !== "bind" && name !== "unbind")) return undefined;
    return { on: "driver", driver, name };
  }
  return rest.includes("/") || rest === "" ? undefined : { on: "bus", name: rest };
}

function deviceAttribute(rest: string): Attribute | undefined {
  const parts = rest.split("/");
  const [first, second, third, fourth] = parts;
  if (first === undefined || second === undefined || fourth !== undefined) return undefined;
  const card = CARD.exec(first);
  if (card?.[1] !== undefined) {
    if (third === undefined) return { on: "card", apid: Number.parseInt(card[1], 16), name: second };
    return queueAttribute(second, third);
  }
  return third === undefined ? queueAttribute(first, second) : undefined;
}

function queueAttribute(device: string, name: string): Attribute | undefined {
  const apqn = parseApqn(device);
  return apqn === undefined ? undefined : { on: "queue", apqn, name };
}

/** The APQN of a queue device's name `05.0047`: (APID << 8) | APQI; undefined for any other text. */
export function parseApqn(text: string): number | undefined {
  const match = QUEUE.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  const apqi = Number.parseInt(match[2], 16);
  return apqi > 255 ? undefined : (Number.parseInt(match[1], 16) << 8) | apqi;
}

/** `05.0047`. */
export function apqnText(apqn: number): string {
  return `${(apqn >> 8).toString(16).padStart(2, "0")}.${(apqn & 0xff).toString(16).padStart(4, "0")}`;
}
