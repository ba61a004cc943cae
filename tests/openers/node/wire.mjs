/**
 * The protobuf of an envelope, read and written by hand: four fields need no code generator.
 *
 *     message Envelope { bytes epoch_id = 1; uint32 step = 2; bytes salt = 3; repeated Box boxes = 4; }
 *     message Box      { uint32 field = 1; bytes ciphertext = 2; }
 *
 * It reads as protobuf's own parsers read: unknown fields are skipped, of a repeated singular field
 * the last one counts, an absent field is zero and a uint32 keeps the low 32 bits of its varint. A
 * reader that differed here would see another envelope than the vault does.
 */
import { refuse } from "./format.mjs";

const VARINT = 0, FIXED64 = 1, LENGTH = 2, GROUP = 3, GROUP_END = 4, FIXED32 = 5;

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  get done() {
    return this.at === this.bytes.length;
  }

  varint() {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = BigInt(this.take(1)[0]);
      value |= (byte & 0x7fn) << shift;
      if (byte < 0x80n) return value < 1n << 64n ? value : refuse();
    }
    return refuse();
  }

  take(size) {
    if (size > this.bytes.length - this.at) refuse();
    this.at += Number(size);
    return this.bytes.subarray(this.at - Number(size), this.at);
  }

  value(type) {
    switch (type) {
      case VARINT: return Number(BigInt.asUintN(32, this.varint()));
      case FIXED64: return this.take(8);
      case LENGTH: return this.take(this.varint());
      case FIXED32: return this.take(4);
      default: return refuse();
    }
  }
}

/** Call known[tag](value) for each field outside of groups that has such a tag. */
function readFields(message, known) {
  const reader = new Reader(message);
  const groups = [];
  while (!reader.done) {
    const tag = reader.varint();
    const [number, type] = [tag >> 3n, Number(tag & 7n)];
    if (number === 0n || tag >= 1n << 32n) refuse();
    if (type === GROUP) groups.push(number);
    else if (type === GROUP_END) groups.pop() === number || refuse();
    else {
      const value = reader.value(type);
      if (groups.length === 0) known[tag]?.(value);
    }
  }
  if (groups.length > 0) refuse();
}

const tag = (field, type) => (field << 3) | type;

export function readEnvelope(message) {
  const out = { epochId: new Uint8Array(), step: 0, salt: new Uint8Array(), boxes: [] };
  readFields(message, {
    [tag(1, LENGTH)]: (value) => { out.epochId = value; },
    [tag(2, VARINT)]: (value) => { out.step = value; },
    [tag(3, LENGTH)]: (value) => { out.salt = value; },
    [tag(4, LENGTH)]: (value) => { out.boxes.push(readBox(value)); },
  });
  return out;
}

function readBox(message) {
  const out = { field: 0, ciphertext: new Uint8Array() };
  readFields(message, {
    [tag(1, VARINT)]: (value) => { out.field = value; },
    [tag(2, LENGTH)]: (value) => { out.ciphertext = value; },
  });
  return out;
}

function varint(value) {
  const out = [];
  for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128);
  return Buffer.of(...out, value);
}

const bytesField = (field, value) =>
  Buffer.concat([varint(tag(field, LENGTH)), varint(value.length), value]);

const numberField = (field, value) => // the default is absent
  value === 0 ? Buffer.alloc(0) : Buffer.concat([varint(tag(field, VARINT)), varint(value)]);

export function writeEnvelope({ epochId, step, salt, boxes }) {
  const body = [bytesField(1, epochId), numberField(2, step), bytesField(3, salt)];
  for (const { field, ciphertext } of boxes) {
    body.push(bytesField(4, Buffer.concat([numberField(1, field), bytesField(2, ciphertext)])));
  }
  return Buffer.concat(body);
}
