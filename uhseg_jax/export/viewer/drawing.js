// The image with its regions.

const MOST_PIXELS = 3e6; // of the canvas: what a phone redraws while a slider moves
const DARK = 0xa6141210; // over what lies outside; words are alpha, blue, green, red
const WHITE = 0xffffffff;
const BLUE = 0xffd65724;
const UNSEEN = "#888888"; // of what is selected and not in this page

let drawing = 0; // the request of the next frame
let drawn = {}; // {tree, width, height, leaves}: the leaf of every pixel of the canvas

function colorOf(key) {
  const item = itemAt(key);
  if (!item) return tree.colors[key];
  const [largest] = nodesOf(item).sort((a, b) => tree.areas[b] - tree.areas[a]);
  return tree.colors[largest] ?? UNSEEN;
}

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
  const leaves = leavesOfPixels(width, height);
  const shades = shadesOfNodes();
  for (let at = 0; at < leaves.length; at++) pixels[at] = shades[leaves[at]];
  const dense = width / canvas.clientWidth || 1;
  const lines = (values, from, to, color) =>
    drawLines(leaves, values, pixels, width, Math.round(from * dense), Math.round(to * dense), color);
  if ($("lines").checked) lines(shown, 0, 1.3, WHITE);
  const picked = pickedOfNodes();
  if (picked.some(Boolean)) {
    lines(picked, 0, 5, WHITE);
    lines(picked, 1, 4, BLUE);
  }
  if (hovered !== null) lines(hoveredOfNodes(), 0, 3, WHITE);
  context.putImageData(image, 0, 0);
}

function leavesOfPixels(width, height) {
  if (drawn.tree === tree && drawn.width === width && drawn.height === height)
    return drawn.leaves;
  const leaves = new Uint16Array(width * height);
  const columns = Int32Array.from({ length: width }, (_, x) =>
    Math.floor(((x + 0.5) * tree.width) / width));
  for (let y = 0, at = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * tree.height) / height) * tree.width;
    for (let x = 0; x < width; x++) leaves[at++] = tree.labels[row + columns[x]];
  }
  drawn = { tree, width, height, leaves };
  return leaves;
}

// Pixels are 32-bit words, alpha highest: every machine with a browser is little-endian.
const word = (red, green, blue, alpha) =>
  ((Math.round(255 * alpha) << 24) | (blue << 16) | (green << 8) | red) >>> 0;

function shadesOfNodes() {
  const opacity = $("fill").checked ? $("opacity").value / 100 : 0;
  const over = hoveredOfNodes();
  const picked = pickedOfNodes();
  const paper = getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).map(Number);
  return Uint32Array.from(shown, (key, node) => {
    if (key === OUTSIDE) return DARK;
    if (itemAt(key)?.hidden) return word(...paper.slice(0, 3), over[node] ? 0.7 : 0.92);
    const stronger = 0.2 * over[node] + 0.15 * (picked[node] > 0);
    const alpha = stronger ? Math.max(0.25, Math.min(1, opacity + stronger)) : opacity;
    const color = colorOf(key);
    return word(...[1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16)), alpha);
  });
}

// node -> whether it is seen as part of the hovered region.
function hoveredOfNodes() {
  if (hovered === null) return new Uint8Array(shown.length);
  const item = itemAt(hovered);
  const whole = item && !onShow.some((one) => one.key === hovered) ? within(nodesOf(item)) : null;
  return Uint8Array.from(shown, (key, node) =>
    key !== OUTSIDE && (whole ? whole[node] : key === hovered));
}

// node -> the picked item that it lies in, counted from 1, the smallest of several; or 0.
function pickedOfNodes() {
  const found = new Int32Array(shown.length);
  const picked = pickedItems().sort((a, b) => area(b) - area(a));
  picked.forEach((item, index) => {
    const inside = within(nodesOf(item));
    for (let node = 0; node < found.length; node++)
      if (inside[node] && shown[node] !== OUTSIDE) found[node] = index + 1;
  });
  return found;
}

// Draws where the value of a pixel's leaf changes between `from` and `to` pixels to the
// right or below.
function drawLines(leaves, values, pixels, width, from, to, color) {
  const height = pixels.length / width;
  const reach = Math.max(1, to - from);
  for (let y = 0; y + from < height; y++) {
    const below = Math.min(reach, height - 1 - y - from) * width;
    for (let x = 0; x + from < width; x++) {
      const at = (y + from) * width + x + from;
      const right = Math.min(reach, width - 1 - x - from);
      const value = values[leaves[at]];
      if (
        value !== values[leaves[at + right]] ||
        value !== values[leaves[at + below]] ||
        value !== values[leaves[at + below + right]]
      )
        pixels[y * width + x] = color;
    }
  }
}
