// libyaml, whose words for what is wrong with a document are go-yaml's as well.
#include <yaml.h>
