//! The words of a code, made to be said over a bad line and typed by somebody who heard them.
//!
//! Within a list no two words begin with the same three letters, and three changes at least lie
//! between any two of them. No word is in both lists, so words in the wrong order are noticed. The
//! lists were put together for this program.

/// The number of words in each list: 8 bits.
pub(super) const COUNT: usize = 256;

/// The first words.
#[rustfmt::skip]
pub(super) const FIRST: [&str; COUNT] = [
    "acorn", "active", "agate", "alder", "almond", "alpine", "anchor", "anvil",
    "aqua", "arbor", "arctic", "artful", "ashen", "atlas", "autumn", "azure", "bagel",
    "balloon", "bamboo", "banner", "barley", "basket", "beacon", "beige", "bicycle", "birch",
    "biscuit", "blossom", "blue", "bold", "bottle", "boulder", "bramble", "breeze", "brick",
    "brown", "bubbly", "bugle", "bulky", "burlap", "cactus", "canoe", "caramel", "castle",
    "cedar", "cello", "cement", "chalk", "cherry", "chimney", "chunky", "cinder", "circle",
    "citrus", "clover", "coast", "cocoa", "coffee", "copper", "coral", "cradle", "creamy",
    "crimson", "crystal", "cumin", "curtain", "cypress", "daisy", "damson", "dawn", "denim",
    "desert", "diamond", "digital", "dimple", "distant", "domino", "dotted", "double", "drum",
    "dune", "dusty", "dynamic", "earthy", "ebony", "echo", "eight", "elastic", "elbow",
    "ember", "emerald", "engine", "evening", "exotic", "fabric", "faithful", "feather",
    "fennel", "fern", "fiddle", "fierce", "flint", "fluffy", "foggy", "forest", "fountain",
    "freckle", "friendly", "frosty", "fuzzy", "gauze", "galaxy", "garden", "gentle",
    "glacier", "gleam", "glossy", "grape", "guitar", "gypsum", "hammer", "harvest", "helmet",
    "hemlock", "hickory", "hidden", "hollow", "honey", "horizon", "humble", "indigo", "inlet",
    "iris", "island", "ivory", "jade", "jagged", "jasmine", "jewel", "jolly", "juicy",
    "jumbo", "khaki", "kitchen", "kiwi", "knitted", "lagoon", "lantern", "large", "lasting",
    "laurel", "lavender", "leafy", "lemon", "lilac", "lime", "lobby", "locket", "loft",
    "lotus", "lunar", "magic", "major", "mango", "maple", "marine", "meadow", "metal", "midnight",
    "molten", "monday", "moss", "muddy", "mulberry", "mustard", "navy", "nectar", "needle",
    "nickel", "northern", "nutmeg", "nylon", "oaken", "oboe", "ocean", "onyx", "orchard",
    "oxford", "palm", "paper", "pastel", "pearl", "pebble", "piano", "picnic", "planet",
    "polar", "poppy", "prairie", "primrose", "pumpkin", "purple", "quarry", "quiet", "radish",
    "rainbow", "ranch", "ruby", "rustic", "saffron", "sailor", "sandy", "sapphire", "satin",
    "scarlet", "seaside", "seven", "shiny", "silver", "sixty", "sleepy", "snowy", "sorrel",
    "spice", "spring", "stone", "straw", "swift", "sycamore", "tartan", "thistle", "thunder",
    "tidal", "tinsel", "topaz", "tower", "tulip", "tundra", "turquoise", "twelve", "twilight",
    "vanilla", "vivid", "volcano", "waffle", "walnut", "weekend", "wheat", "white", "window",
    "wisteria", "wooden", "yarrow", "zigzag", "zinc", "zircon",
];

/// The second words.
#[rustfmt::skip]
pub(super) const SECOND: [&str; COUNT] = [
    "airplane", "albatross", "alley", "alpaca", "ambulance", "antelope", "apartment",
    "arcade", "armadillo", "artist", "athlete", "attic", "avenue", "baboon", "badger",
    "bakehouse", "banjo", "barracuda", "basement", "bathtub", "beagle", "bedroom", "beehive",
    "bison", "blackbird", "blender", "boatman", "bobcat", "bonfire", "bookshelf", "bowler",
    "buffalo", "bulldog", "bumblebee", "bunny", "butterfly", "buzzard", "cabinet", "calf",
    "camera", "canary", "capybara", "caribou", "cathedral", "ceiling", "chair", "cheetah",
    "chicken", "chocolate", "cicada", "cinema", "city", "clam", "clock", "cobra", "cockatoo",
    "collie", "compass", "condor", "cottage", "cousin", "cowboy", "coyote", "crane",
    "crocodile", "cuckoo", "cupboard", "cushion", "cygnet", "dachshund", "dancer", "daughter",
    "deer", "dentist", "diary", "dingo", "doctor", "dolphin", "donkey", "doorbell", "dove",
    "dragonfly", "dressing", "driver", "duck", "dugong", "earwig", "egret", "elephant",
    "ermine", "escalator", "factory", "falcon", "farmer", "ferry", "festival", "finch",
    "firefly", "fisherman", "flamingo", "flounder", "football", "freighter", "fridge", "frog",
    "furnace", "garage", "gateway", "gazelle", "gecko", "gerbil", "gibbon", "giraffe",
    "glowworm", "goat", "goldfish", "goose", "gopher", "gorilla", "governor", "greyhound",
    "gull", "guppy", "gymnast", "haddock", "hairbrush", "halibut", "hamster", "handle",
    "hare", "hedgehog", "heron", "highway", "hippo", "holiday", "hornet", "hospital", "hotel",
    "hound", "husky", "hyena", "ibex", "iceberg", "igloo", "iguana", "impala", "jackal",
    "jaguar", "janitor", "jellyfish", "jigsaw", "journal", "judge", "juggler", "kangaroo",
    "kayak", "kestrel", "kitten", "koala", "labrador", "ladybird", "lapwing", "lemming",
    "leopard", "limpet", "lizard", "lobster", "locust", "lynx", "macaw", "magpie", "mallard",
    "mammoth", "manatee", "marten", "meerkat", "minnow", "mongoose", "moorhen", "moth",
    "mussel", "narwhal", "newt", "nuthatch", "ocelot", "octopus", "okapi", "opossum",
    "orangutan", "oriole", "osprey", "ostrich", "otter", "panda", "parakeet", "peacock",
    "pelican", "penguin", "perch", "pheasant", "pigeon", "pike", "piranha", "platypus",
    "pony", "poodle", "porcupine", "prawn", "puffin", "puma", "quail", "quokka", "rabbit",
    "raccoon", "redstart", "reindeer", "rhino", "robin", "sardine", "scorpion", "seahorse",
    "sheep", "shrimp", "skunk", "skylark", "spaniel", "spider", "sponge", "squid", "starling",
    "stingray", "stork", "swallow", "swordfish", "tadpole", "tapir", "tarantula", "terrier",
    "thrush", "tiger", "tortoise", "toucan", "trout", "turkey", "urchin", "vulture",
    "wallaby", "warbler", "wasp", "weasel", "weevil", "wildcat", "wolverine", "wombat",
    "worm", "wren",
];
