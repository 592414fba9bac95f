// Shows the figure nearest to the pointer. Without this script browsers show the same text, after a while.
const tip = document.getElementById("tip");
const hide = () => { tip.style.visibility = "hidden"; };
for (const chart of document.querySelectorAll("svg.chart")) {
  const marks = [...chart.querySelectorAll(".mark")].map((mark) => {
    const title = mark.querySelector("title");
    title.remove();
    mark.setAttribute("aria-label", title.textContent);
    return mark;
  });
  const show = (event) => {
    const { clientX: x, clientY: y } = event;
    let nearest = null, least = 24;
    for (const mark of marks) {
      const { left, right, top, bottom } = mark.getBoundingClientRect();
      const outside = Math.hypot(Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom));
      // Of those that lie over each other, the one whose middle is nearest.
      const here = outside + Math.hypot((left + right) / 2 - x, (top + bottom) / 2 - y) / 1000;
      if (here < least) [nearest, least] = [mark, here];
    }
    if (!nearest) return hide();
    tip.textContent = nearest.getAttribute("aria-label");
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.min(x + 12, document.documentElement.clientWidth - width - 8);
    const above = y - height - 12;
    tip.style.left = Math.max(8, left) + "px";
    tip.style.top = (above > 8 ? above : y + 16) + "px";
    tip.style.visibility = "visible";
  };
  chart.addEventListener("pointermove", show);
  chart.addEventListener("pointerdown", show);
  chart.addEventListener("pointerleave", hide);
}
addEventListener("scroll", hide, { passive: true });
