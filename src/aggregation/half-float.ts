/**
 * Whole numbers as IEEE 754 binary16, in units of 2^shift, and back: what a `float16` update is made of. JavaScript's own
 * conversion is younger than the oldest Node that the product runs on.
 *
 * Invariant: both ways round to nearest, ties to even, once; a number of up to 11 significant bits comes back as it was.
 */

/** Of the largest coordinate by this shift a half holds it: 2^(bits - 1) * 2^-shift is at most 2^15. */
export function halfShift(precisionBits: number): number {
  return Math.max(0, precisionBits - 16);
}

/** The value of a half in its own units; NaN and infinities as they are. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/**
 * The half nearest to `whole * 2^-shift`.
 * @param whole an integer of magnitude at most 2^15 * 2^shift
 * @param shift from 0 to 16
 */
export function wholeToHalf(whole: number, shift: number): number {
  const magnitude = Math.abs(whole);
  if (magnitude === 0) return 0;
  const sign = whole < 0 ? 0x8000 : 0;
  const top = 31 - Math.clz32(magnitude);
  const exponent = top - shift;
  // Below the normal halves the unit is 2^-24: no bit is lost, since a shift is at most 16.
  if (exponent < -14) return sign | (magnitude * 2 ** (24 - shift));
  const significand = top > 10 ? roundedShift(magnitude, top - 10) : magnitude * 2 ** (10 - top);
  // A significand that was rounded up to 2048 carries into the exponent, which is the half that follows.
  return sign | (((exponent + 15) << 10) + significand - 1024);
}

function roundedShift(magnitude: number, places: number): number {
  const unit = 2 ** places;
  const below = Math.floor(magnitude / unit);
  const rest = magnitude - below * unit;
  const up = rest > unit / 2 || (rest === unit / 2 && below % 2 === 1);
  return up ? below + 1 : below;
}
