// The pointer on the image: it hovers, picks, goes inside, and draws a box.

const QUICK = 400; // milliseconds between the two clicks of one who wants to go inside
const FAR = 6; // pixels that a box has at least

let hovered = null; // the key of a region, or null
let last = { key: null, time: -Infinity }; // the click before
let box = null; // where a box begins, {x, y} in pixels of the page
let boxed = false; // whether the click to come ends a box

const several = () => $("several").getAttribute("aria-pressed") === "true";

function cellUnder(event) {
  const { left, top, width, height } = $("regions").getBoundingClientRect();
  return [
    Math.floor(((event.clientY - top) / height) * tree.height),
    Math.floor(((event.clientX - left) / width) * tree.width),
  ];
}

function regionUnder(event) {
  const [y, x] = cellUnder(event);
  if (x < 0 || y < 0 || x >= tree.width || y >= tree.height) return null;
  return shown[tree.labels[y * tree.width + x]];
}

function hover(key) {
  if (key === hovered) return;
  hovered = key;
  for (const button of $("shares").querySelectorAll("button"))
    button.classList.toggle("hovered", Number(button.dataset.node) === hovered);
  about(hovered);
  draw();
}

function follow(event) {
  if (!tree) return;
  if (box) return stretch(event);
  const key = regionUnder(event);
  $("regions").classList.toggle("out", key === OUTSIDE);
  hover(key === OUTSIDE ? null : key);
}

function click(event) {
  if (boxed) {
    boxed = false;
    return;
  }
  const key = regionUnder(event);
  if (key !== null) chooseOrEnter(key, event);
}

// One click picks, two go inside.
function chooseOrEnter(key, event) {
  const more = event.shiftKey || several();
  const again = !more && key === last.key && event.timeStamp - last.time < QUICK;
  last = { key: again || more ? null : key, time: event.timeStamp };
  if (key === OUTSIDE) back();
  else if (again) {
    undo(); // the first of two clicks only pointed at it
    goInside(key);
  } else pick(key, more);
}

// One step back: nothing is picked any more, or else out of the focused region.
function back() {
  if (pickedItems().length) pickNone();
  else up();
}

// -- a box -----------------------------------------------------------------------

function press(event) {
  boxed = false;
  if (event.button || !(event.shiftKey || several())) return;
  event.preventDefault(); // no text is selected
  box = { x: event.clientX, y: event.clientY };
  $("regions").setPointerCapture(event.pointerId);
}

function stretch(event) {
  const { left, top } = $("regions").getBoundingClientRect();
  const [x, y] = [Math.min(box.x, event.clientX), Math.min(box.y, event.clientY)];
  const [width, height] = [Math.abs(event.clientX - box.x), Math.abs(event.clientY - box.y)];
  boxed ||= Math.max(width, height) > FAR;
  $("box").hidden = !boxed;
  Object.assign($("box").style, {
    left: `${x - left}px`, top: `${y - top}px`, width: `${width}px`, height: `${height}px`,
  });
}

function release(event) {
  if (!box) return;
  const corners = [cellUnder({ clientX: box.x, clientY: box.y }), cellUnder(event)];
  dropBox();
  if (boxed) pickAll(regionsInBox(...corners));
}

function dropBox() {
  box = null;
  $("box").hidden = true;
}

// Regions on show of which at least half lies in the box.
function regionsInBox([y0, x0], [y1, x1]) {
  const [top, bottom] = [Math.max(0, Math.min(y0, y1)), Math.min(tree.height - 1, Math.max(y0, y1))];
  const [left, right] = [Math.max(0, Math.min(x0, x1)), Math.min(tree.width - 1, Math.max(x0, x1))];
  const [inside, whole] = [new Map(), new Map()];
  for (let y = 0, at = 0; y < tree.height; y++)
    for (let x = 0; x < tree.width; x++, at++) {
      const key = shown[tree.labels[at]];
      whole.set(key, (whole.get(key) ?? 0) + 1);
      if (top <= y && y <= bottom && left <= x && x <= right)
        inside.set(key, (inside.get(key) ?? 0) + 1);
    }
  return [...inside.keys()].filter((key) => key !== OUTSIDE && 2 * inside.get(key) >= whole.get(key));
}
