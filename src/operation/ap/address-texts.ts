import { flatCopy } from "../../event/flat-copy.js";
import { addressText, type Word } from "../../event/word.js";

/** Addresses that are remembered; a power of two. A recording has some dozen guests. */
const SLOTS = 256;

interface Entry {
  readonly word: Word;
  readonly text: string;
}

/** {@link addressText}, remembered: the same few pointers come again and again, and equal texts are then one and the same. */
export class AddressTexts {
  private readonly slots: (Entry | undefined)[] = new Array<Entry | undefined>(SLOTS).fill(undefined);

  of(word: Word): string {
    const { hi, lo } = word;
    // The low bits of a pointer are those of its alignment.
    const slot = (lo ^ (lo >>> 8) ^ (lo >>> 16) ^ (lo >>> 24)) & (SLOTS - 1);
    const known = this.slots[slot];
    if (known !== undefined && known.word.lo === lo && known.word.hi === hi) return known.text;
    const text = flatCopy(addressText(word));
    this.slots[slot] = { word, text };
    return text;
  }
}
