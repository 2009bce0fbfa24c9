// Where one is: which image, and how far down in its tree.

const FIRST_REGIONS = 8;

let tree = null; // the image that is shown, see readTree
let current = -1; // its index
let wanted = -1; // the index of the image that is shown, or is to be when it has come
let wish = FIRST_REGIONS; // regions of a whole image, as many as it has at most
let steps = []; // the way down: {node, number}, the whole image first
let seen = null; // node -> the region of the cut that it lies in, or OUTSIDE the focused one

const focus = () => steps[steps.length - 1];

// Shows an image, or says why not. `place` is where in it, `push` whether "back" shall
// lead to what is shown now.
async function show(index, { place = {}, push = true } = {}) {
  if (index < 0 || index >= images.length || index === wanted) return;
  wanted = index;
  markInList(index);
  let data;
  try {
    data = await load(index);
  } catch (error) {
    if (index === wanted) cannotShow(index, error);
    return;
  }
  if (index !== wanted) return; // another was chosen while this one came
  current = index;
  tree = readTree(data);
  if (!isClip()) $("photo").src = tree.image;
  $("photo").alt = tree.name;
  $("name").textContent = tree.name;
  $("name").title = `${tree.name}, ${tree.size[1]} × ${tree.size[0]} pixels`;
  document.title = tree.name;
  say(unseenHere());
  settleIn(place);
  showFrames(place.frame);
  layOut();
  record(push);
}

function cannotShow(index, error) {
  say(`${images[index].name} cannot be shown: ${error.message}`);
  wanted = current;
  markInList(current);
}

// A place: {number, inside, region}, the last two ids of nodes; all may be missing.
function settleIn({ number, inside, region }) {
  const node = tree.nodeOf.get(inside) ?? ROOT;
  if (number !== undefined && node === ROOT) wish = number;
  steps = [{ node: ROOT, number: Math.min(wish, tree.leaves[ROOT]) }];
  if (node !== ROOT && tree.children[node].length)
    steps.push({ node, number: Math.min(number ?? tree.children[node].length, tree.leaves[node]) });
  hovered = null;
  if (tree.nodeOf.has(region)) pickFromAddress(tree.nodeOf.get(region));
  refresh();
}

function down(node) {
  const parts = tree.children[node].length;
  if (!parts) {
    about(node, "not divided further");
    return;
  }
  if (node === focus().node) focus().number = parts;
  else steps.push({ node, number: parts });
  hovered = null;
  refresh();
  record(true);
}

function up(count = 1) {
  if (steps.length === 1) return;
  steps.length = Math.max(1, steps.length - count);
  hovered = null;
  refresh();
  record(true);
}

function setNumber(number) {
  focus().number = Math.max(1, Math.min(tree.leaves[focus().node], number));
  if (steps.length === 1) wish = focus().number;
  hovered = null;
  refresh();
  record(false);
}

// The next number of regions that looks different: a split may add more than one.
function nextNumber(by) {
  const { node, number } = focus();
  const count = (value) => new Set(cut(node, value)).size;
  const before = count(number);
  let next = number + by;
  while (next > 1 && next < tree.leaves[node] && count(next) === before) next += by;
  return next;
}
