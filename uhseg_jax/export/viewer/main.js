// Everything put in motion.

function start() {
  $("nothing").hidden = images.length > 0;
  $("app").hidden = images.length === 0;
  if (!images.length) return;
  $("app").classList.toggle("single", images.length === 1);
  $("filter").hidden = images.length < 9;
  fillList();
  offerSimilar();
  listen();
  restore();
  countInList();
  new ResizeObserver(layOut).observe($("stage"));
  followAddress();
}

function listen() {
  const on = (id, kind, act) => $(id).addEventListener(kind, act);
  on("number", "input", (event) => setNumber(Number(event.target.value)));
  on("frame-number", "input", (event) => {
    stopPlaying();
    setFrame(Number(event.target.value) - 1);
    record(false);
  });
  on("play", "click", play);
  on("up", "click", () => up());
  on("filter", "input", filter);
  on("lines", "change", draw);
  on("labels", "change", placeNames);
  on("opacity", "input", draw);
  on("fill", "change", () => {
    $("opacity").disabled = !$("fill").checked;
    draw();
  });
  on("regions", "pointermove", follow);
  on("regions", "pointerleave", () => box || hover(null));
  on("regions", "pointerdown", press);
  on("regions", "pointerup", release);
  on("regions", "pointercancel", dropBox);
  on("regions", "click", click);
  on("stage", "click", (event) => event.target === $("stage") && back());
  on("inside", "click", () => goInside(pickedItems()[0].key));
  on("similar", "click", findSimilar);
  on("alike-close", "click", closeSimilar);
  on("merge", "click", merge);
  on("hide", "click", hide);
  on("called", "focus", offerNames);
  on("called", "change", (event) => giveName(event.target.value.trim()));
  on("several", "click", () => {
    $("several").setAttribute("aria-pressed", !several());
    $("regions").classList.toggle("several", several());
  });
  on("ask", "click", openHelp);
  on("take", "click", openSaving);
  on("scopes", "change", showKinds);
  on("kinds", "click", (event) => {
    const button = event.target.closest("button");
    if (button) save(button.dataset.kind);
  });
  on("load", "change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) loadSelection(file);
  });
  for (const dialog of document.querySelectorAll("dialog"))
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.addEventListener("keydown", keyDown);
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) loadSelection(file);
  });
  addEventListener("popstate", followAddress);
}

// For tests and the curious: what is on show, in numbers.
window.viewer = {
  state: () => ({
    image: current,
    focus: focus().node,
    path: steps.map((one) => one.node),
    number: focus().number,
    most: tree.leaves[focus().node],
    regions: onShow.map((one) => one.key),
    hovered,
    size: [tree.height, tree.width],
    frame: isClip() ? (frameNow()?.number ?? null) : null,
    items: items(),
  }),
  regionAt: (row, column) => shown[tree.labels[row * tree.width + column]],
  regionsAt: () => Array.from(tree.labels, (leaf) => shown[leaf]),
};

start();
