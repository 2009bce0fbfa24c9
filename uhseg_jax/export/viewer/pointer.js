// The pointer on the image.


function regionUnder(event) {
  const box = $("regions").getBoundingClientRect();
  const x = Math.floor(((event.clientX - box.left) / box.width) * tree.width);
  const y = Math.floor(((event.clientY - box.top) / box.height) * tree.height);
  if (x < 0 || y < 0 || x >= tree.width || y >= tree.height) return null;
  return seen[tree.labels[y * tree.width + x]];
}

function follow(event) {
  const node = regionUnder(event);
  const canvas = $("regions");
  canvas.classList.toggle("out", node === OUTSIDE);
  canvas.classList.toggle("down", node !== null && node >= 0 && tree.children[node].length > 0);
  hover(node === OUTSIDE ? null : node);
}

function choose(event) {
  const node = regionUnder(event);
  if (node === OUTSIDE) up();
  else if (node !== null) down(node);
}

function hover(node) {
  if (node === hovered) return;
  hovered = node;
  for (const button of $("shares").querySelectorAll("button"))
    button.classList.toggle("hovered", Number(button.dataset.node) === hovered);
  about(hovered ?? focus().node);
  draw();
}
