// Selected regions as files: masks, cut-outs, COCO, and the selection itself, which
// uhseg-export reads, and this page too.

// -- what is taken out ------------------------------------------------------------

const visible = (list) => list.filter((one) => !one.hidden);

// What may be taken out: name of a scope -> [[index of an image, items], ...].
function scopes() {
  const of = (entries) => entries.filter(([, list]) => list.length);
  return {
    picked: of([[current, visible(pickedItems())]]),
    image: of([[current, visible(items())]]),
    all: of([...selections].map(([index, list]) => [index, visible(list)]).sort((a, b) => a[0] - b[0])),
  };
}

const regionsIn = (entries) => entries.reduce((sum, [, list]) => sum + list.length, 0);

// A mask of the size of the image itself, of the items' nodes; 255 inside. Raises an error
// if some are not in this page.
function maskOf(one, list) {
  const [height, width] = one.size;
  const unseen = list.find((item) => !item.nodes.every((id) => one.nodeOf.has(id)));
  if (unseen)
    throw new Error(
      `${unseen.name || `region ${unseen.nodes.join(" + ")}`} is not shown in full by this ` +
      `page, which has the upper part of the tree of ${one.name}; save the selection, ` +
      "which uhseg-export reads, or hide that region.");
  const inside = insideOf(one, list.flatMap((item) => item.nodes).map((id) => one.nodeOf.get(id)));
  const mask = new Uint8Array(height * width);
  for (let y = 0, at = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * one.height) / height) * one.width;
    for (let x = 0; x < width; x++, at++)
      mask[at] = 255 * inside[one.labels[row + Math.floor(((x + 0.5) * one.width) / width)]];
  }
  return mask;
}

function maskFile([[, list]]) {
  const [height, width] = tree.size;
  return png(maskOf(tree, list), width, height);
}

// The pixels of the page's copy of the image, cut to the box around the regions.
async function cutoutFile([[, list]]) {
  const { width, height } = tree;
  const mask = maskOf({ ...tree, size: [height, width] }, list);
  const [left, top, wide, high] = boxOf(mask, height, width);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  await $("photo").decode();
  context.drawImage($("photo"), 0, 0, width, height);
  const { data } = context.getImageData(left, top, wide, high);
  for (let at = 0; at < wide * high; at++) {
    const [y, x] = [top + Math.floor(at / wide), left + (at % wide)];
    if (mask[y * width + x]) data[4 * at + 3] = 255;
    else data.fill(0, 4 * at, 4 * at + 4);
  }
  return png(new Uint8Array(data.buffer), wide, high);
}

function boxOf(mask, height, width) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++)
      if (mask[at]) {
        [left, right] = [Math.min(left, x), Math.max(right, x)];
        [top, bottom] = [Math.min(top, y), y];
      }
  return right < 0 ? [0, 0, 1, 1] : [left, top, right - left + 1, bottom - top + 1];
}

async function cocoFile(entries) {
  const names = [...new Set(entries.flatMap(([, list]) => list.map((one) => one.name || "region")))];
  const coco = {
    info: { description: "Regions selected in a page of uhseg_jax" },
    licenses: [],
    categories: names.map((name, index) => ({ id: index + 1, name, supercategory: "region" })),
    images: [],
    annotations: [],
  };
  for (const [index, list] of entries) {
    const one = index === current ? tree : readTree(await load(index));
    const [height, width] = one.size;
    const image_id = coco.images.length + 1;
    coco.images.push({ id: image_id, file_name: one.name, height, width });
    for (const item of list) {
      const mask = maskOf(one, [item]);
      coco.annotations.push({
        id: coco.annotations.length + 1,
        image_id,
        category_id: names.indexOf(item.name || "region") + 1,
        segmentation: { size: [height, width], counts: compressed(runsDown(mask, height, width)) },
        area: mask.reduce((sum, value) => sum + (value > 0), 0),
        bbox: boxOf(mask, height, width),
        iscrowd: 0,
        nodes: item.nodes,
      });
    }
  }
  return json(coco);
}

function selectionFile(entries) {
  return json({
    uhseg_jax: "selection",
    version: 1,
    images: entries.map(([index, list]) => ({
      name: images[index].name,
      size: images[index].size,
      num_nodes: images[index].nodes,
      tree: images[index].tree,
      regions: list.map(({ name, nodes }) => ({ name, nodes })),
    })),
  });
}

const json = (value) => new Blob([JSON.stringify(value)], { type: "application/json" });

// -- the dialog --------------------------------------------------------------------

const KINDS = {
  mask: { make: maskFile, ending: "mask.png", single: true },
  cutout: { make: cutoutFile, ending: "cutout.png", single: true },
  coco: { make: cocoFile, ending: "coco.json" },
  selection: { make: selectionFile, ending: "selection.json" },
};

function openSaving() {
  stopPlaying();
  const found = scopes();
  const words = {
    picked: counted(regionsIn(found.picked), "selected region"),
    image: `${counted(regionsIn(found.image), "region")} of this ${wholeThing()}`,
    all: `${counted(regionsIn(found.all), "region")} of ${counted(found.all.length, wholeThing())}`,
  };
  if (found.picked.length && found.picked[0][1].length === 1)
    words.picked = calledItem(found.picked[0][1][0]);
  for (const input of document.querySelectorAll("[name=scope]")) {
    input.disabled = !found[input.value].length;
    input.parentElement.hidden = input.disabled || repeats(input.value, found);
    input.nextElementSibling.textContent = words[input.value];
  }
  const first = [...document.querySelectorAll("[name=scope]")].find(
    (one) => !one.disabled && !one.parentElement.hidden);
  if (first) first.checked = true;
  $("nothing-selected").hidden = Boolean(first);
  $("kinds").hidden = !first;
  $("kinds").querySelector("[data-kind=coco]").hidden = isClip();
  for (const one of document.querySelectorAll("#kinds .image-only")) one.hidden = isClip();
  $("exactly").hidden = isClip() ||
    (tree.size[0] === tree.height && tree.size[1] === tree.width);
  $("load-trouble").textContent = "";
  showKinds();
  $("save").showModal();
  $("kinds").querySelector("button").focus();
}

// A scope that is the same as a smaller one is not offered.
function repeats(scope, found) {
  const smaller = { picked: null, image: "picked", all: "image" }[scope];
  return smaller !== null && found[smaller].length > 0 &&
    regionsIn(found[scope]) === regionsIn(found[smaller]);
}

const chosenScope = () => document.querySelector("[name=scope]:checked")?.value;

function showKinds() {
  for (const button of $("kinds").querySelectorAll("button"))
    button.disabled = KINDS[button.dataset.kind].single && chosenScope() === "all";
}

async function save(kind) {
  const entries = scopes()[chosenScope()];
  const link = document.createElement("a");
  try {
    link.href = URL.createObjectURL(await KINDS[kind].make(entries));
  } catch (error) {
    $("load-trouble").textContent = `This cannot be saved: ${error.message}`;
    return;
  }
  link.download = fileName(entries, kind);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  $("save").close();
}

function fileName(entries, kind) {
  const { ending } = KINDS[kind];
  if (chosenScope() === "all") return ending;
  const [[index, list]] = entries;
  const stem = images[index].name.split("/").pop().replace(/\.[^.]*$/, "");
  const part = list.length === 1 ? list[0].name || list[0].nodes.join("-") : "";
  const frame = isClip() && KINDS[kind].single ? frameNow().name : "";
  return [stem, frame, part, ending].filter(Boolean).join(".").replace(/[\\/:*?"<>|\s]+/g, "_");
}
