// The curve of a list's line.

/** A small curve of the last points. */
export function spark(points) {
  const known = points.filter(each => each !== null);
  const low = Math.min(...known);
  const span = Math.max(...known) - low || 1;
  const path = points.map((each, i) => (each === null ? "" : `${i === 0 || points[i - 1] === null ? "M" : "L"}${
    (i / Math.max(1, points.length - 1) * 100).toFixed(1)},${(22 - (each - low) / span * 20).toFixed(1)}`)).join("");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 24");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
