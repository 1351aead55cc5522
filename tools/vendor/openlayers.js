// What the page's canvas uses of OpenLayers; what is not named here is not in the bundle.
export {default as Feature} from "ol/Feature.js";
export {default as OlMap} from "ol/Map.js";
export {default as View} from "ol/View.js";
export {default as VectorLayer} from "ol/layer/Vector.js";
export {default as VectorSource} from "ol/source/Vector.js";
export {default as Projection} from "ol/proj/Projection.js";
export {default as MultiPolygon} from "ol/geom/MultiPolygon.js";
export {default as MultiPoint} from "ol/geom/MultiPoint.js";
export {default as MultiLineString} from "ol/geom/MultiLineString.js";
export {default as Point} from "ol/geom/Point.js";
export {default as Polygon} from "ol/geom/Polygon.js";
export {default as Style} from "ol/style/Style.js";
export {default as Fill} from "ol/style/Fill.js";
export {default as Stroke} from "ol/style/Stroke.js";
export {default as Circle} from "ol/style/Circle.js";
