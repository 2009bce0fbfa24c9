// The image with its regions.

const MOST_PIXELS = 3e6; // of the canvas: what a phone redraws while a slider moves

let drawing = 0; // the request of the next frame


function layOut() {
  if (!tree) return;
  const stage = $("stage");
  const style = getComputedStyle(stage);
  const room = stage.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const narrow = matchMedia("(max-width: 760px)").matches;
  const tall = narrow ? 0.62 * innerHeight : stage.clientHeight;
  const scale = Math.min(room / tree.width, tall / tree.height);
  const [width, height] = [tree.width, tree.height].map((side) => Math.max(1, side * scale));
  const frame = $("frame");
  frame.style.width = `${width}px`;
  frame.style.height = `${height}px`;
  frame.classList.toggle("coarse", scale > 6);
  const dense = Math.min(devicePixelRatio || 1, Math.sqrt(MOST_PIXELS / (width * height)));
  $("regions").width = Math.max(1, Math.round(width * dense));
  $("regions").height = Math.max(1, Math.round(height * dense));
  draw();
}

function draw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(paint);
}

function paint() {
  const canvas = $("regions");
  $("frame").classList.toggle("filled", $("fill").checked && $("opacity").value > 0);
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const regions = new Int32Array(width * height);
  const shades = shadesOfNodes();
  const columns = Int32Array.from({ length: width }, (_, x) =>
    Math.floor(((x + 0.5) * tree.width) / width));
  for (let y = 0, at = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * tree.height) / height) * tree.width;
    for (let x = 0; x < width; x++, at++) {
      const leaf = tree.labels[row + columns[x]];
      regions[at] = seen[leaf];
      pixels[at] = shades[leaf];
    }
  }
  const dense = width / canvas.clientWidth || 1;
  if ($("lines").checked) drawLines(regions, pixels, width, height, Math.round(1.3 * dense), null);
  if (hovered !== null) drawLines(regions, pixels, width, height, Math.round(3 * dense), hovered);
  context.putImageData(image, 0, 0);
}

// Pixels are 32-bit words, alpha highest: every machine with a browser is little-endian.
function shadesOfNodes() {
  const opacity = $("fill").checked ? $("opacity").value / 100 : 0;
  return Uint32Array.from(seen, (node) => {
    if (node === OUTSIDE) return 0xa6141210;
    const strong = node === hovered;
    const alpha = strong ? Math.max(0.25, Math.min(1, opacity + 0.2)) : opacity;
    const [red, green, blue] = [1, 3, 5].map((i) => parseInt(tree.colors[node].slice(i, i + 2), 16));
    return ((Math.round(255 * alpha) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

// White where another region begins within `thickness` pixels to the right or below; of
// one region only if `only` is not null.
function drawLines(regions, pixels, width, height, thickness, only) {
  const reach = Math.max(1, thickness);
  for (let y = 0; y < height; y++) {
    const below = Math.min(reach, height - 1 - y) * width;
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const right = Math.min(reach, width - 1 - x);
      const [a, b, c, d] = [regions[at], regions[at + right], regions[at + below], regions[at + below + right]];
      if (a === b && a === c && a === d) continue;
      if (only === null || a === only || b === only || c === only || d === only)
        pixels[at] = 0xffffffff;
    }
  }
}
