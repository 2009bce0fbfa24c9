// Where one is: which image, and how far down in its tree.

const FIRST_REGIONS = 8;

let tree = null; // the image that is shown, see readTree
let current = -1; // its index
let wanted = -1; // the index of the image that is shown, or is to be when it has come
let steps = []; // the way down: {node, number}, the whole image first
let seen = null; // node -> the region it is seen as, or OUTSIDE the focused one
let hovered = null; // a region, or null

const focus = () => steps[steps.length - 1];

async function show(index) {
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
  steps = [{ node: ROOT, number: Math.min(FIRST_REGIONS, tree.leaves[ROOT]) }];
  hovered = null;
  $("photo").src = tree.image;
  $("photo").alt = tree.name;
  $("name").textContent = tree.name;
  $("name").title = `${tree.name}, ${tree.size[1]} × ${tree.size[0]} pixels`;
  $("trouble").hidden = true;
  document.title = tree.name;
  layOut();
  refresh();
}

function cannotShow(index, error) {
  $("trouble").textContent = `${images[index].name} cannot be shown: ${error.message}`;
  $("trouble").hidden = false;
  wanted = current;
  markInList(current);
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
}

function up(count = 1) {
  if (steps.length === 1) return;
  steps.length = Math.max(1, steps.length - count);
  hovered = null;
  refresh();
}

function setNumber(number) {
  focus().number = Math.max(1, Math.min(tree.leaves[focus().node], number));
  hovered = null;
  refresh();
}

