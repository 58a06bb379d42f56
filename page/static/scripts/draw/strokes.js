// Strokes of a pen, and how an address holds them: base64 of their points, a byte for each coordinate.

/**
 * @typedef {[number, number]} Point 0 to 255 across the pad and down it
 * @typedef {Point[]} Stroke
 */

export const EDGE = 255;
const TOLERANCE = 1.2; // how far a point may lie off the line that it is left out of
const MOST_POINTS = 255;

/**
 * Leave out the points that lie on the line between others (Douglas and Peucker 1973).
 * @param {Stroke} stroke
 * @returns {Stroke}
 */
export function simplified(stroke) {
  const [first, last] = [stroke[0], stroke[stroke.length - 1]];
  if (!first || !last || stroke.length < 3) return stroke;
  let [farthest, at] = [0, 0];
  stroke.forEach((point, i) => {
    const distance = fromLine(point, first, last);
    if (distance > farthest) [farthest, at] = [distance, i];
  });
  if (farthest <= TOLERANCE) return [first, last];
  return [...simplified(stroke.slice(0, at + 1)).slice(0, -1), ...simplified(stroke.slice(at))];
}

/**
 * @param {Point} point
 * @param {Point} from
 * @param {Point} to
 */
function fromLine([x, y], [x0, y0], [x1, y1]) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (length === 0) return Math.hypot(x - x0, y - y0);
  return Math.abs((x1 - x0) * (y0 - y) - (x0 - x) * (y1 - y0)) / length;
}

/**
 * @param {Stroke[]} strokes
 * @returns {string} letters that an address may hold
 */
export function encode(strokes) {
  const bytes = strokes.flatMap((stroke) => {
    const points = stroke.slice(0, MOST_POINTS);
    return [points.length, ...points.flat().map((place) => Math.max(0, Math.min(EDGE, Math.round(place))))];
  });
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}

/**
 * @param {string} text
 * @returns {Stroke[] | undefined} undefined where the text holds none that are whole
 */
export function decode(text) {
  /** @type {number[]} */
  let bytes;
  try {
    bytes = Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
  /** @type {Stroke[]} */
  const strokes = [];
  for (let at = 0; at < bytes.length; ) {
    const count = bytes[at] ?? 0;
    const places = bytes.slice(at + 1, at + 1 + 2 * count);
    if (count === 0 || places.length < 2 * count) return undefined;
    strokes.push(Array.from({ length: count }, (_, i) => [places[2 * i] ?? 0, places[2 * i + 1] ?? 0]));
    at += 1 + 2 * count;
  }
  return strokes;
}

/**
 * Draw strokes as a round pen does, in curves through the middles between their points.
 * @param {CanvasRenderingContext2D} context of a square canvas
 * @param {Stroke[]} strokes
 * @param {string} colour
 */
export function pen(context, strokes, colour) {
  const scale = context.canvas.width / EDGE;
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 19 * scale;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    const points = stroke.map(([x, y]) => /** @type {Point} */ ([x * scale, y * scale]));
    const [first, second] = points;
    if (!first) continue;
    context.beginPath();
    context.moveTo(...first);
    if (!second) context.lineTo(...first);
    for (let i = 1; i < points.length - 1; i++) {
      const [here, next] = [points[i] ?? first, points[i + 1] ?? first];
      context.quadraticCurveTo(...here, (here[0] + next[0]) / 2, (here[1] + next[1]) / 2);
    }
    context.lineTo(...(points[points.length - 1] ?? first));
    context.stroke();
  }
}
