/**
 * What opener and sealer share: contexts, the key tree, padding.
 *
 * Nothing here decides anything but the shape of an audience and of padding; the other checks stand
 * in opener.mjs, where a reader looks for them.
 */
import { createHash, createHmac } from "node:crypto";
import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";

export const LAST_STEP = 1023;

/** The one HPKE suite of format 1: KEM 0x647A, KDF 0x0001, AEAD 0x0002. */
export const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

/** The only way to fail; it says nothing more on purpose. */
export function refuse() {
  throw new Error("refused");
}

/** Join parts so that no two lists give the same bytes: each has its length before it. */
export function encode(...parts) {
  return Buffer.concat(parts.flatMap((part) => {
    let raw = part;
    if (typeof part === "string") raw = Buffer.from(part, "utf8");
    if (typeof part === "number") (raw = Buffer.alloc(8)).writeBigUInt64BE(BigInt(part));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(raw.length);
    return [length, raw];
  }));
}

const hmac = (key, ...data) =>
  data.reduce((mac, part) => mac.update(part), createHmac("sha256", key)).digest();

/** HKDF-Expand-SHA256 to 32 bytes, which is its first block (RFC 5869, section 2.3). */
const expand = (key, context) => hmac(key, context, Buffer.of(1));

/** The purposes of a canonical audience: distinct names, byte-sorted, joined by "+". */
export function members(audience) {
  const names = audience.split("+");
  const good = names.every((name, i) =>
    /^[a-z][a-z0-9_]{0,62}$/.test(name) && (i === 0 || names[i - 1] < name)); // ASCII: < is byte order
  return good ? names : refuse();
}

/** epoch_id commits to the epoch secret, so that a box means the same to every purpose. */
export const epochId = (secret, vaultId, audience) =>
  hmac(secret, encode("customer-vault/1 epoch-id", vaultId, audience));

/** The HPKE info under which an epoch secret is sealed to one purpose's public key. */
export const stanzaInfo = (vaultId, audience, epoch, purpose, publicKey) =>
  Uint8Array.from(encode("customer-vault/1 epoch-key", vaultId, audience, epoch, purpose,
    createHash("sha256").update(publicKey).digest()));

/** From the epoch secret down the ten bits of the step. */
function stepKey(secret, step) {
  let node = secret;
  for (let bit = 9; bit >= 0; bit--) {
    node = expand(node, encode("customer-vault/1 step", (step >> bit) & 1));
  }
  return node;
}

/** The key of one envelope. */
export const envelopeKey = (secret, vaultId, audience, step, recordName, salt) =>
  expand(stepKey(secret, step),
    encode("customer-vault/1 envelope", vaultId, audience, step, recordName, salt));

/** The key of one stream. */
export const streamKey = (secret, vaultId, audience, step, recordName, salt, field) =>
  expand(stepKey(secret, step),
    encode("customer-vault/1 stream", vaultId, audience, step, recordName, salt, field));

/** The aad of one field's box. */
export const fieldContext = (name) => encode("customer-vault/1 field", name);

/** ISO/IEC 7816-4 to a multiple of 32: 1 to 32 bytes are always added. */
export const pad = (plaintext) =>
  Buffer.concat([plaintext, Buffer.of(0x80), Buffer.alloc(31 - (plaintext.length % 32))]);

/** The one plaintext of which `pad` makes these bytes. */
export function unpad(padded) {
  const plaintext = padded.subarray(0, Math.max(0, padded.lastIndexOf(0x80)));
  return pad(plaintext).equals(padded) ? plaintext : refuse();
}
