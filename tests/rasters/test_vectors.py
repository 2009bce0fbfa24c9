"""Regions of rasters as polygons, read back by other libraries."""

import errno
import json

import numpy as np
import pytest
from raster_trees import UTM, random_raster

from uhseg_jax.rasters import Georeference, RasterError
from uhseg_jax.rasters.geojson import geojson_place, write_geojson
from uhseg_jax.rasters.geopackage import write_geopackage
from uhseg_jax.rasters.vectors import on_the_map, region_shapes


def doubled_area(ring):
    (x, y), (later_x, later_y) = np.transpose(ring), np.roll(ring, -1, axis=0).T
    return (x * later_y - later_x * y).sum()


def geojson_of(path, raster, num_regions=6):
    coordinates, place = geojson_place(raster.georeference)
    shapes = region_shapes(raster, num_regions, tolerance=0.0, place=place)
    write_geojson(path, shapes, name="regions", coordinates=coordinates)
    return json.loads(path.read_text())


def polygons_of(feature):
    geometry = feature["geometry"]
    coordinates = geometry["coordinates"]
    return [coordinates] if geometry["type"] == "Polygon" else coordinates


def test_shapes_are_those_of_the_whole_cut(tmp_path):
    raster, _ = random_raster(tmp_path)
    cut = raster.cut(num_regions=6)
    shapes = list(region_shapes(raster, 6, tolerance=0.0))
    assert [x.node for x in shapes] == np.unique(cut[cut >= 0]).tolist()
    for shape in shapes:
        assert shape.area == (cut == shape.node).sum()
        assert shape.parent == raster.tree.parents[shape.node]
        enclosed = [doubled_area(ring) for rings in shape.pieces for ring in rings]
        assert sum(enclosed) == 2 * shape.area
        for outer, *holes in shape.pieces:
            assert doubled_area(outer) > 0
            assert all(doubled_area(x) < 0 for x in holes)


def test_without_a_georeference_coordinates_are_pixels(tmp_path):
    raster, _ = random_raster(tmp_path / "labels")
    found = geojson_of(tmp_path / "a.geojson", raster)
    assert found["coordinates"] == "pixels, y downwards"
    points = [
        p for f in found["features"] for x in polygons_of(f) for r in x for p in r
    ]
    assert np.max(points, axis=0).tolist() == [50, 40]
    areas = {x["id"]: x["properties"]["area"] for x in found["features"]}
    cut = raster.cut(num_regions=6)
    assert areas == {i: (cut == i).sum() for i in np.unique(cut[cut >= 0]).tolist()}


def test_a_transform_alone_is_applied_and_outlines_go_anticlockwise(tmp_path):
    place = Georeference("", UTM)
    raster, _ = random_raster(tmp_path / "labels", georeference=place)
    found = geojson_of(tmp_path / "a.geojson", raster)
    assert found["coordinates"] == "of the raster's transform"
    for feature in found["features"]:
        rings = [ring for polygon in polygons_of(feature) for ring in polygon]
        assert all(ring[0] == ring[-1] for ring in rings)
        area = sum(doubled_area(ring[:-1]) for ring in rings) / 2
        assert area == pytest.approx(100 * feature["properties"]["area"])


def test_a_disk_that_fills_leaves_the_file_that_was_there(tmp_path):
    raster, _ = random_raster(tmp_path / "labels")
    geojson_of(tmp_path / "a.geojson", raster)
    before = (tmp_path / "a.geojson").read_bytes()

    def shapes():
        yield from list(region_shapes(raster, 2))[:1]
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"a\.geojson"):
        write_geojson(tmp_path / "a.geojson", shapes(), name="", coordinates="")
    assert (tmp_path / "a.geojson").read_bytes() == before


@pytest.mark.readers
def test_longitude_and_latitude_are_those_of_the_map(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    pyogrio = pytest.importorskip("pyogrio")
    pytest.importorskip("rasterio.warp")
    system = rasterio.CRS.from_epsg(32633)
    place = Georeference(system.to_wkt(), UTM)
    raster, _ = random_raster(tmp_path / "labels", georeference=place)
    found = geojson_of(tmp_path / "a.geojson", raster)
    for feature in found["features"]:
        rings = [x[:-1] for polygon in polygons_of(feature) for x in polygon]
        points = np.concatenate(rings)
        back = rasterio.warp.transform(4326, system, *points.T)
        pixels = (np.transpose(back) - [500_000, 5_000_000]) / [10, -10]
        np.testing.assert_allclose(pixels, np.round(pixels), atol=1e-4)
        lengths = np.cumsum([len(x) for x in rings])[:-1]
        area = sum(-doubled_area(x) for x in np.split(np.round(pixels), lengths)) / 2
        assert area == feature["properties"]["area"]
    info = pyogrio.read_info(tmp_path / "a.geojson")
    assert info["crs"] == "EPSG:4326"
    assert info["features"] == len(found["features"])


@pytest.mark.readers
def test_a_geopackage_has_a_layer_for_every_level(tmp_path):
    pyogrio = pytest.importorskip("pyogrio")
    rasterio = pytest.importorskip("rasterio")
    shapely = pytest.importorskip("shapely")
    wkt = rasterio.CRS.from_epsg(32633).to_wkt()
    raster, _ = random_raster(tmp_path / "labels", georeference=Georeference(wkt, UTM))
    assert raster.georeference is not None
    place = on_the_map(raster.georeference)
    layers = {f"regions_{n}": region_shapes(raster, n, place=place) for n in (3, 6)}
    write_geopackage(tmp_path / "a.gpkg", layers, crs=wkt)
    assert sorted(x.name for x in tmp_path.iterdir()) == ["a.gpkg", "labels"]
    listed = pyogrio.list_layers(tmp_path / "a.gpkg").tolist()
    assert listed == [[name, "MultiPolygon"] for name in layers]
    about, _, binary, fields = pyogrio.raw.read(tmp_path / "a.gpkg", layer="regions_6")
    assert about["crs"] == "EPSG:32633"
    values = dict(zip(about["fields"], fields, strict=True))
    cut = raster.cut(num_regions=6)
    np.testing.assert_array_equal(values["node"], np.unique(cut[cut >= 0]))
    shapes = shapely.from_wkb(binary)
    assert shapely.is_valid(shapes).all()
    # Neighbours meet: their union has the area of all, and borders are simplified.
    together = shapely.area(shapely.union_all(shapes))
    assert together == pytest.approx(shapely.area(shapes).sum())
    assert together == pytest.approx(100 * (cut >= 0).sum(), rel=0.05)


@pytest.mark.readers
def test_a_system_without_longitude_is_refused_in_a_sentence(tmp_path):
    pytest.importorskip("rasterio")
    local = 'LOCAL_CS["a plan",UNIT["metre",1]]'
    with pytest.raises(RasterError, match="leave out geojson, and take gpkg"):
        geojson_place(Georeference(local, UTM))
