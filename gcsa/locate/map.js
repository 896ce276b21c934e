"use strict";
// Words and a map of a query's place, for pages of several programs.
const percent = (share) => share >= 0.995 ? "over 99 %" : share < 0.005 ? "under 1 %" : `${Math.round(100 * share)} %`;
const metres = (m) => m < 10 ? `${m.toFixed(1)} m` : m < 2000 ? `${Math.round(m)} m` : `${(m / 1000).toFixed(1)} km`;

const answerWords = (query) => {
  if (!query.at) return "Not located.";
  const parts = [`Radius ${metres(query.radius)}, confidence ${percent(query.confidence)}, none of the images ${percent(query.none)}.`];
  if (query.device) {
    const away = Math.hypot(query.at[0] - query.device[0], query.at[1] - query.device[1]);
    const stated = `${query.assumed ? "states no accuracy, taken for" : "accuracy"} ${metres(query.accuracy)}`;
    parts.push(`The device says ${metres(away)} from there (${stated}).`);
  }
  return parts.join(" ");
};
// scene: {cameras: [east, north, ...]}; query: {at, radius, device, accuracy, heat, best}; metres.
const placesMap = (canvas, buttons) => {
  const pen = canvas.getContext("2d");
  let scene = null, query = null; // what is drawn; a scene may be drawn without a query
  const view = { x: 0, y: 0, scale: 1 }; // metres in the middle of the map; pixels a metre

  const across = (p) => canvas.clientWidth / 2 + (p[0] - view.x) * view.scale;
  const down = (p) => canvas.clientHeight / 2 - (p[1] - view.y) * view.scale;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // The map shows a box (metres) with room about it.
  const fit = (west, south, east, north) => {
    const wide = Math.max(east - west, 25), high = Math.max(north - south, 25);
    view.x = (west + east) / 2;
    view.y = (south + north) / 2;
    view.scale = 0.84 * Math.min(canvas.clientWidth / wide, canvas.clientHeight / high);
  };
  const fitScene = () => {
    const c = scene.cameras;
    let box = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i < c.length; i += 2) {
      box = [Math.min(box[0], c[i]), Math.min(box[1], c[i + 1]), Math.max(box[2], c[i]), Math.max(box[3], c[i + 1])];
    }
    if (c.length) fit(...box);
  };
  const fitQuery = () => {
    if (!query) return fitScene();
    const discs = query.heat.filter((h) => h[2] >= 0.02).map((h) => [h[0], h[1], 15]);
    if (query.at) discs.push([...query.at, query.radius]);
    if (query.device) discs.push([...query.device, query.accuracy]);
    if (!discs.length) return fitScene();
    fit(
      Math.min(...discs.map((d) => d[0] - d[2])), Math.min(...discs.map((d) => d[1] - d[2])),
      Math.max(...discs.map((d) => d[0] + d[2])), Math.max(...discs.map((d) => d[1] + d[2])),
    );
  };

  const disc = (p, radius) => {
    pen.beginPath();
    pen.arc(across(p), down(p), radius, 0, 2 * Math.PI);
  };
  const circle = (p, radius, name, dashes) => {
    pen.strokeStyle = colour(name);
    pen.lineWidth = 2.5;
    pen.setLineDash(dashes);
    disc(p, radius * view.scale);
    pen.globalAlpha = 0.1;
    pen.fillStyle = colour(name);
    pen.fill();
    pen.globalAlpha = 1;
    pen.stroke();
    pen.setLineDash([]);
  };
  const cross = (p, name) => {
    const x = across(p), y = down(p);
    for (const [stroke, width] of [["--ground", 6], [name, 3]]) {
      pen.strokeStyle = colour(stroke);
      pen.lineWidth = width;
      pen.beginPath();
      pen.moveTo(x - 8, y); pen.lineTo(x + 8, y); pen.moveTo(x, y - 8); pen.lineTo(x, y + 8);
      pen.stroke();
    }
  };
  const square = (p, name) => {
    pen.fillStyle = colour(name);
    pen.strokeStyle = colour("--ground");
    pen.lineWidth = 2;
    pen.beginPath();
    pen.rect(across(p) - 6, down(p) - 6, 12, 12);
    pen.fill();
    pen.stroke();
  };

  const ground = () => {
    const cameras = scene.cameras;
    const size = Math.max(1.2, Math.min(3.5, view.scale * 1.5));
    pen.fillStyle = colour("--camera");
    pen.beginPath();
    for (let i = 0; i < cameras.length; i += 2) {
      const x = across([cameras[i]]), y = down([0, cameras[i + 1]]);
      pen.moveTo(x + size, y);
      pen.arc(x, y, size, 0, 2 * Math.PI);
    }
    pen.fill();
  };
  const heat = () => {
    const most = Math.max(...query.heat.map((h) => h[2]), 0.01);
    for (const [x, y, share] of [...query.heat].reverse()) { // the strongest on top
      const part = Math.sqrt(share / most);
      disc([x, y], 4 + 7 * part);
      pen.fillStyle = `color-mix(in srgb, ${colour("--strong")} ${Math.round(100 * part)}%, ${colour("--faint")})`;
      pen.globalAlpha = 0.5 + 0.4 * part;
      pen.fill();
      pen.globalAlpha = 1;
    }
  };
  const ranks = () => {
    pen.font = "bold 11px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const taken = [];
    query.best.forEach((image, number) => {
      if (!image.at) return;
      const x = across(image.at), y = down(image.at);
      // Numbers stand around their cameras where these are close together.
      let spot = [x, y - 17];
      for (let turn = 0; turn < 24; turn += 1) {
        const angle = turn * Math.PI / 4, far = 17 + 15 * Math.floor(turn / 8);
        spot = [x + far * Math.sin(angle), y - far * Math.cos(angle)];
        if (taken.every((t) => Math.hypot(t[0] - spot[0], t[1] - spot[1]) > 17)) break;
      }
      taken.push(spot);
      pen.strokeStyle = colour("--ink");
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(x, y); pen.lineTo(...spot);
      pen.stroke();
      pen.beginPath();
      pen.arc(...spot, 8, 0, 2 * Math.PI);
      pen.fillStyle = colour("--ink");
      pen.fill();
      pen.fillStyle = colour("--mark");
      pen.fillText(number + 1, spot[0], spot[1] + 0.5);
    });
  };
  const bar = () => {
    const widest = 120 / view.scale, power = 10 ** Math.floor(Math.log10(widest));
    const length = [5, 2, 1].map((f) => f * power).find((l) => l <= widest);
    const y = canvas.clientHeight - 14, end = 14 + length * view.scale;
    pen.strokeStyle = pen.fillStyle = colour("--ink");
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(14, y - 5); pen.lineTo(14, y); pen.lineTo(end, y); pen.lineTo(end, y - 5);
    pen.moveTo(22, 34); pen.lineTo(22, 14); pen.moveTo(17, 20); pen.lineTo(22, 13); pen.lineTo(27, 20);
    pen.stroke();
    pen.font = "12px system-ui, sans-serif";
    pen.textAlign = "start";
    pen.textBaseline = "alphabetic";
    pen.fillText(length >= 1000 ? `${length / 1000} km` : `${length} m`, end + 6, y);
    pen.fillText("N", 18, 48);
  };
  const answer = () => {
    if (query.device) circle(query.device, query.accuracy, "--device", [7, 5]);
    if (query.at) circle(query.at, query.radius, "--mode", []);
    heat();
    if (query.device) square(query.device, "--device");
    if (query.at) cross(query.at, "--mode");
    ranks();
  };
  const draw = () => {
    const sharp = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * sharp);
    canvas.height = Math.round(canvas.clientHeight * sharp);
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    if (!scene) return;
    ground();
    if (query) answer();
    bar();
  };

  const zoom = (factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) => {
    const scale = Math.min(200, Math.max(1e-4, view.scale * factor));
    const east = (x - canvas.clientWidth / 2), north = (canvas.clientHeight / 2 - y);
    view.x += east / view.scale - east / scale; // what is under the pointer stays there
    view.y += north / view.scale - north / scale;
    view.scale = scale;
    draw();
  };
  const move = (x, y) => {
    view.x -= x / view.scale;
    view.y += y / view.scale;
    draw();
  };

  const actions = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), query: fitQuery, scene: fitScene };
  buttons.addEventListener("click", (event) => {
    const asked = event.target.closest("button");
    if (asked && scene) {
      actions[asked.dataset.do]();
      draw();
    }
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    if (steps[event.key]) move(...steps[event.key]);
    else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else return;
    event.preventDefault();
  });

  // One pointer moves the map, two zoom it.
  const held = new Map();
  const gap = () => {
    const [a, b] = [...held.values()];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, [event.offsetX, event.offsetY]);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const wide = held.size === 2 ? gap() : 0;
    held.set(event.pointerId, [event.offsetX, event.offsetY]);
    if (wide) zoom(gap() / wide, event.offsetX, event.offsetY);
    else if (held.size === 1) move(event.offsetX - before[0], event.offsetY - before[1]);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => held.delete(event.pointerId));
  }
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  return {
    show: (where, what) => {
      [scene, query] = [where, what];
      fitQuery();
      draw();
    },
  };
};
