/** `==> /sys/kernel/debug/s390dbf/vfio_ap/sprintf <==`, as tail and head print it before each of several files. */
const HEADER = /^==> (.{1,4096}) <==$/;

/** The area that a header line names; undefined if the line is none. */
export function areaOfHeader(line: string): string | undefined {
  const path = line.length > 5000 ? undefined : HEADER.exec(line.trimEnd())?.[1];
  return path === undefined ? undefined : areaOfFile(path);
}

/** The areas that matter here (d.1), wherever a file's name has one of them. */
const KNOWN = /(?:^|[^a-z0-9])(kvm-\d+|kvm-trace|kvm-uv|vfio_ap|zcrypt|pkey|ap)(?=[^a-z0-9]|$)/;

/**
 * The area of a saved view, from its file's name: `.../vfio_ap/sprintf`, `dbf-kvm-4100.txt`, `kvm-4100-sprintf.txt`. Empty for a
 * name that says none (`s390dbf.txt`).
 */
export function areaOfFile(file: string): string {
  const parts = file.split("/").filter((part) => part !== "");
  const last = parts.at(-1) ?? "";
  if (last === "sprintf" || last === "hex_ascii") return parts.at(-2) ?? "";
  const stem = last.replace(/\.(?:txt|log|gz)$/, "").replace(/[-_.](?:sprintf|hex_ascii)$/, "");
  const known = KNOWN.exec(stem)?.[1];
  if (known !== undefined) return known;
  const rest = stem.replace(/^(?:s390)?dbf[-_.]?/, "");
  return rest;
}
