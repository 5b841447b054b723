#include "data/synthetic.h"

namespace normscope {

// Verbs agree with their subject across a relative clause ("the dogs that the horse follows sleep"): that is what a
// model has to look back for. `does` and `do` are what follows a singular and a plural subject.
const Grammar& Grammar::english() {
  static const Grammar grammar(R"(sentence=<opening><tail>
opening=The <the>*8|Every <one>*2|Some <many>*2|<name> <acts>*4
tail=.<gap>*12|!<gap>|, and <clause><tail>*2|, but <clause><tail>| because <clause><tail>*2| when <clause><tail>
gap= *5|~*2
clause=the <the>*6|every <one>*2|some <many>*2|<name> <acts>*3
the=<noun><number>*3|<quality> <noun><number>*2
number= <does>*3|s <do>*2
one=<noun> <does>*3|<quality> <noun> <does>*2
many=<noun>s <do>*3|<quality> <noun>s <do>*2
does=that <that><does_plain>|<acts>*7
do=that <that_many><do_plain>|<act>*7
acts=<manner> <does_plain>|<does_plain>*6
act=<manner> <do_plain>|<do_plain>*6
does_plain=<finds> <object>*4|<sleeps> <place>*3
do_plain=<find> <object>*4|<sleep> <place>*3
that=<finds> <object> *2|<sleeps> <place> *2|the <noun><number_inside>*2|<name> <finds> 
that_many=<find> <object> *2|<sleep> <place> *2|the <noun><number_inside>*2|<name> <finds> 
number_inside= <finds> *3|s <find> *2
object=the <thing>*5|a <thing>*3|some <thing>s*2|<name>
thing=<matter>*3|<quality> <matter>*2
matter=<noun>*3|<item>*2
place=<where> the <site>
site=<spot>*4|<quality> <spot>
where=near*3|under|behind*2|beside*2|beyond|in*4
name=Mira*4|Oswin*3|Tamsel*2|Bruno*2|Yelka|Dorrit
noun=cat*6|dog*6|bird*5|farmer*4|sailor*3|sparrow*4|beaver*4|horse*4|baker*2|badger*2|king*3|miller*2|rabbit*2|gardener
item=letter*3|lantern*2|song*3|boat*3|violin|ladder*2|pear*2|mirror
quality=tall*5|small*5|red*3|quiet*3|clever*2|green*2|hungry*2|bright*2|heavy|gentle|wild|proud
manner=often*3|never*2|always*2|slowly|quickly|gladly
finds=sees*5|finds*4|follows*3|likes*4|carries*2|hears*3|wants*3|paints|greets|remembers|watches*2
find=see*5|find*4|follow*3|like*4|carry*2|hear*3|want*3|paint|greet|remember|watch*2
sleeps=sleeps*4|waits*3|sings*2|walks*3|rests*2|hides*2|dances|laughs
sleep=sleep*4|wait*3|sing*2|walk*3|rest*2|hide*2|dance|laugh
spot=river*4|garden*4|tower*2|market*3|bridge*2|mill*2|harbor|forest*3|barn*2|road*3|meadow|window*2
)");
  return grammar;
}

}  // namespace normscope
