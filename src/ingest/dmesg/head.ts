import type { Stamp } from "../../event/event.js";

/** The parts of a line before its message (e.3). */
export interface LogHead {
  readonly time: Stamp | undefined;
  /** Syslog level 0 to 7 (`dmesg -r`, `-x`); -1 where not printed. */
  readonly level: number;
  /** Task that printed (`[ T123]`); 0 where not printed. */
  readonly tid: number;
  /** Offset of the message. */
  readonly message: number;
  /** False for a line of the journal that is another program's. */
  readonly kernel: boolean;
}

/** The patterns see no more than this of a line. */
const WINDOW = 300;

/** `<6>` of dmesg -r; `kern  :info  : ` of dmesg -x. */
const PRIORITY = /^<(\d{1,3})>/;
const DECODED = /^[a-z0-9]{2,8} {0,8}:([a-z]{3,6}) {0,4}: /;
const LEVELS = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];

/** `[    1.582731] `: seconds since about boot; also the journal's short-monotonic. */
const MONOTONIC = /^\[ {0,10}(\d{1,10})\.(\d{6})\] ?/;
/** `2026-11-20T07:12:45,123456+00:00 ` of dmesg --time-format=iso; the journal's short-iso-precise has a point. */
const ISO = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)([,.])(\d{6})([+-]\d\d):?(\d\d) /;
/** `1795158940.123456 ` of journalctl -o short-unix. */
const UNIX = /^(\d{9,11})\.(\d{6}) /;
/** `[Fri Nov 20 07:11:43 2026] ` of dmesg -T: in whole seconds, of an unknown zone, and off after a suspend. */
const WALL = /^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\] /;
/** `[  T123] `, `[    C1] `: task or cpu that printed (CONFIG_PRINTK_CALLER). */
const CALLER = /^\[ {0,10}([TC])(\d{1,10})\] /;
/** `host kernel: ` of the journal; another program has `host systemd[1]: `. */
const JOURNAL = /^[\w.-]{1,64} ([\w.@/-]{1,64})(?:\[\d{1,10}\])?: /;

/** Reads the head of a line of the kernel log, or gives undefined if it has none. */
export function readLogHead(line: string): LogHead | undefined {
  const window = line.slice(0, WINDOW);
  let at = 0;
  let level = -1;
  const priority = PRIORITY.exec(window);
  const decoded = priority === null ? DECODED.exec(window) : null;
  if (priority !== null) {
    level = Number(priority[1]) & 7;
    at = priority[0].length;
  } else if (decoded !== null) {
    level = LEVELS.indexOf(decoded[1] ?? "");
    if (level === -1) return undefined;
    at = decoded[0].length;
  }
  const clock = readClock(window.slice(at));
  if (clock === undefined) return undefined;
  at += clock.length;
  let tid = 0;
  let kernel = true;
  const caller = CALLER.exec(window.slice(at));
  if (caller !== null) {
    if (caller[1] === "T") tid = Number(caller[2]);
    at += caller[0].length;
  } else if (clock.journal) {
    const journal = JOURNAL.exec(window.slice(at));
    if (journal !== null) {
      kernel = journal[1] === "kernel";
      at += journal[0].length;
    } else if (clock.journalOnly) return undefined;
  }
  return { time: clock.time, level, tid, message: at, kernel };
}

interface Clock {
  readonly time: Stamp | undefined;
  readonly length: number;
  /** Host and program may stand behind the time. */
  readonly journal: boolean;
  /** Only the journal prints this form. */
  readonly journalOnly: boolean;
}

function readClock(text: string): Clock | undefined {
  const monotonic = MONOTONIC.exec(text);
  if (monotonic !== null) {
    const [all, seconds, micros] = monotonic;
    // dmesg's own text may look like `host kernel: `; a host alone is told by the word `kernel:` behind it.
    const journal = /^[\w.-]{1,64} kernel: /.test(text.slice(all.length));
    return { time: stampOf(seconds, micros), length: all.length, journal, journalOnly: false };
  }
  const unix = UNIX.exec(text);
  if (unix !== null) {
    return { time: stampOf(unix[1], unix[2]), length: unix[0].length, journal: true, journalOnly: true };
  }
  const iso = ISO.exec(text);
  if (iso !== null) {
    const [all, date, point, micros, hours, minutes] = iso;
    const seconds = Date.parse(`${date}${hours}:${minutes}`) / 1000;
    if (!(seconds >= 0)) return undefined;
    const journal = point === ".";
    return { time: stampOf(String(seconds), micros), length: all.length, journal, journalOnly: journal };
  }
  const wall = WALL.exec(text);
  // The time is of no use beside another recorder's: none is better than one that is off by hours.
  return wall === null ? undefined : { time: undefined, length: wall[0].length, journal: false, journalOnly: false };
}

function stampOf(seconds: string | undefined, micros: string | undefined): Stamp {
  return { seconds: Number(seconds), nanos: Number(micros) * 1000 };
}
