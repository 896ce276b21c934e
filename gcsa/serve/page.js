(() => {
  const by = (id) => document.getElementById(id);
  const form = by("form"), drop = by("drop"), said = by("said"), own = by("own");
  const map = placesMap(document.querySelector("canvas"), document.querySelector(".buttons"));
  const grounds = new Map(); // of scenes, by name
  const SHOWN = 10, NEAR = 25; // images of a strip; metres
  let file = null, asked = 0; // what is asked about; how often anything was

  const get = async (path, more = {}) => {
    const headers = form.token.value ? { Authorization: `Bearer ${form.token.value}` } : {};
    const answer = await fetch(path, { ...more, headers: { ...headers, ...more.headers } });
    if (answer.ok) return answer;
    if (answer.status === 401) {
      by("locked").hidden = false;
      form.token.focus();
    }
    const why = await answer.json().catch(() => ({ error: answer.statusText }));
    const later = answer.headers.get("Retry-After");
    throw new Error(why.error + (later ? `; ask again in ${later} s` : ""));
  };
  const say = (text, wrong = false) => {
    said.textContent = text;
    said.classList.toggle("wrong", wrong);
  };
  const ground = async (name) => {
    if (!grounds.has(name)) grounds.set(name, await (await get(`/scenes/${encodeURIComponent(name)}`)).json());
    return grounds.get(name);
  };

  const start = async () => {
    const { scenes, photos } = await (await get("/scenes")).json();
    const images = scenes.reduce((sum, scene) => sum + scene.images, 0).toLocaleString("en");
    by("about").textContent = `Among ${images} photos of ${scenes.map((scene) => scene.name).join(", ")}.`;
    if (!photos) by("hint").textContent = "Drop a descriptor here, as JSON: photos are not taken";
    form.scene.replaceChildren(...scenes.map((scene) => new Option(scene.name)));
    by("scenes").hidden = scenes.length < 2;
    map.show(await ground(form.scene.value), null);
    by("locked").hidden = true;
  };
  const begin = () => start().then(() => say(""), (error) => say(error.message, true));

  // What the form says, and nothing of what it leaves empty.
  const about = () => {
    const fields = { scene: form.scene.value, num: SHOWN, map: true, exif: form.exif.checked };
    for (const name of ["lat", "lon", "accuracy", "heading"]) {
      const text = form[name].value.trim().replace(",", ".");
      if (text) fields[name] = Number(text);
    }
    return fields;
  };
  const body = async () => {
    if (file.type === "application/json") {
      const given = { ...about(), ...JSON.parse(await file.text()) };
      return { body: JSON.stringify(given), headers: { "Content-Type": "application/json" } };
    }
    const parts = new FormData();
    parts.append("about", JSON.stringify(about()));
    parts.append("photo", file);
    return { body: parts };
  };

  const picture = async (figure, scene, name) => {
    const query = new URLSearchParams({ scene, image: name });
    try {
      const image = document.createElement("img");
      image.alt = name;
      image.src = URL.createObjectURL(await (await get(`/thumbnail?${query}`)).blob());
      image.onload = () => URL.revokeObjectURL(image.src);
      figure.firstChild.replaceWith(image);
    } catch { /* its name stays */ }
  };
  const tile = (scene, image, at, from, words) => {
    const item = document.createElement("li"), figure = document.createElement("figure");
    const blank = document.createElement("div"), caption = document.createElement("figcaption");
    const away = at && from ? Math.hypot(at[0] - from[0], at[1] - from[1]) : null;
    if (away !== null) item.className = away <= NEAR ? "near" : "far";
    blank.className = "blank";
    blank.textContent = figure.title = image.name;
    caption.textContent = away === null ? words : `${words} · ${metres(away).replace(" ", "\u00a0")}`;
    figure.append(blank, caption);
    item.append(figure);
    picture(figure, scene, image.name);
    return item;
  };
  const strips = (found) => {
    const { at, before, places } = found.map;
    by("before").replaceChildren(...found.first_round.map((image, n) => (
      tile(found.scene, image, before[n], at, `${n + 1} · ${image.similarity.toFixed(2)}`))));
    by("after").replaceChildren(...found.best.map((image, n) => {
      const was = found.first_round.findIndex((one) => one.name === image.name) + 1;
      const moved = was === n + 1 ? "" : was ? ` · was ${was}` : " · new";
      return tile(found.scene, image, places[n], at, `${n + 1} · ${percent(image.probability)}${moved}`);
    }));
    by("strips").hidden = false;
  };
  const show = async (found) => {
    const best = found.best.map((image, n) => ({ ...image, at: found.map.places[n] }));
    const query = { ...found.map, radius: found.radius_m, confidence: found.confidence, none: found.none, best };
    const place = found.position || {};
    const words = "lat" in place ? `${place.lat.toFixed(5)}, ${place.lon.toFixed(5)}. ` : "x" in place ? `${place.x} m east, ${place.y} m north. ` : "";
    say(words + answerWords(query));
    document.querySelector("canvas").setAttribute("aria-label", `Map. ${said.textContent}`);
    map.show(await ground(found.scene), query);
    strips(found);
  };

  const ask = async () => {
    if (!file) return;
    const mine = asked += 1;
    say("Looking ...");
    try {
      const found = await (await get("/locate", { method: "POST", ...await body() })).json();
      if (mine === asked) await show(found); // not where another was asked meanwhile
    } catch (error) {
      if (mine === asked) say(error.message, true);
    }
  };
  const take = (given) => {
    if (!given) return;
    file = given;
    URL.revokeObjectURL(own.src);
    own.hidden = !file.type.startsWith("image/");
    if (!own.hidden) own.src = URL.createObjectURL(file);
    by("hint").textContent = `${file.name || "photo"}; drop another one here`;
    drop.classList.add("full");
    by("again").disabled = false;
    ask();
  };

  by("file").addEventListener("change", (event) => take(event.target.files[0]));
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  form.scene.addEventListener("change", async () => {
    map.show(await ground(form.scene.value), null);
    ask();
  });
  form.token.addEventListener("change", begin);
  begin();
})();
