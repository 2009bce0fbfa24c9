// Everything put in motion.

function start() {
  $("nothing").hidden = images.length > 0;
  $("app").hidden = images.length === 0;
  if (!images.length) return;
  $("app").classList.toggle("single", images.length === 1);
  $("filter").hidden = images.length < 9;
  fillList();
  $("number").addEventListener("input", (event) => setNumber(Number(event.target.value)));
  $("up").addEventListener("click", () => up());
  $("filter").addEventListener("input", filter);
  $("lines").addEventListener("change", draw);
  $("opacity").addEventListener("input", draw);
  $("fill").addEventListener("change", () => {
    $("opacity").disabled = !$("fill").checked;
    draw();
  });
  $("regions").addEventListener("pointermove", follow);
  $("regions").addEventListener("pointerleave", () => hover(null));
  $("regions").addEventListener("click", choose);
  $("stage").addEventListener("click", (event) => event.target === $("stage") && up());
  document.addEventListener("keydown", press);
  new ResizeObserver(layOut).observe($("stage"));
  show(0);
}

// For tests and the curious: what is on show, in numbers.
window.viewer = {
  state: () => ({
    image: current,
    focus: focus().node,
    path: steps.map((one) => one.node),
    number: focus().number,
    most: tree.leaves[focus().node],
    regions: regionsInOrder(),
    hovered,
    size: [tree.height, tree.width],
  }),
  regionAt: (row, column) => seen[tree.labels[row * tree.width + column]],
  regionsAt: () => Array.from(tree.labels, (leaf) => seen[leaf]),
};

start();
